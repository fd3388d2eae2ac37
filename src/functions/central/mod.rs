//! The central function: messages of account functions in, facts and fires into the table, triggers out to accounts.
//!
//! In come batches of one FIFO queue, in order, and the tick of the sweep through the same queue: one writer, so nothing has
//! to be locked. Out come rows of `dpc-central`, triggers on the `dpc` buses of the owners, answers. It refuses to decide
//! when a pipeline runs; `control/trigger` does, on what it is given here.
//!
//! What the stack must give it (`templates/central.yaml`):
//!
//! | variable | value |
//! |---|---|
//! | `DPC_FUNCTION` | `central`; without it the binary is the account function |
//! | `DPC_CENTRAL_TABLE` | name of the table, `dpc-central` |
//! | `DPC_CENTRAL_DEAD_LETTERS` | URL of the queue that takes what cannot be dealt with, `dpc-central-dead-letters.fifo` |
//!
//! | permission | on | why |
//! |---|---|---|
//! | `dynamodb:BatchGetItem`, `Query`, `PutItem`, `DeleteItem`, and `ConditionCheckItem` inside transactions | the table | facts, fires, registrations |
//! | `dynamodb:Query` | its index `open` | the sweep |
//! | `events:PutEvents` | `arn:…:events:*:*:event-bus/dpc` | triggers, to any member account and region |
//! | `sqs:ReceiveMessage`, `DeleteMessage`, `GetQueueAttributes` | the queue | the event source mapping |
//! | `sqs:SendMessage` | the dead-letter queue | what cannot be dealt with, with the reason |
//! | `kms:Decrypt`, `kms:GenerateDataKey` | the key of queue and table | both are encrypted |
//! | `logs:CreateLogStream`, `PutLogEvents` | its log group | the log, metrics included |
//!
//! Event source mapping: batch size 10, `FunctionResponseTypes: [ReportBatchItemFailures]`. The sweep's rule has no `Input`:
//! the whole scheduled event goes to the queue, with its own id and time, because with content-based deduplication equal
//! bodies within five minutes are one. Its target needs `SqsParameters.MessageGroupId`, the same as the messages'.
