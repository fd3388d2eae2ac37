//! `email`: an SNS subscription of an address to the pipeline's topic, filtered by status.
