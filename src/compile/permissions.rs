//! What the two roles of a pipeline may do: the state machine's, from the integrations that it uses, and its compute's,
//! from `access`.
//!
//! Every statement names its resources or says why it cannot, and every S3 statement says whose bucket it means.

use serde_json::{Value, json};

use super::Model;
use crate::control::names;
use crate::documents::integration::Integration;
use crate::documents::policy::{self, Statement};
use crate::documents::template::{reference, sub, verbatim};
use crate::language::values::Location;
use crate::source::Spanned;

/// The state machine's.
pub(super) fn of_machine(integrations: &[Integration], model: &Model<'_>) -> Vec<Statement> {
    let of_integrations = integrations.iter().flat_map(|integration| (integration.permissions)(model.name));
    let of_profiles = model.profiles.iter().flat_map(|(_, kind)| kind.statements());
    let of_steps = model.body.all().into_iter().flat_map(|made| made.statements.iter().cloned());
    let mut statements = policy::joined(of_integrations.chain(of_profiles).chain(of_steps));
    // https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html
    statements.push(
        Statement::allow(
            "DeliverLogs",
            &[
                "logs:CreateLogDelivery",
                "logs:DeleteLogDelivery",
                "logs:DescribeLogGroups",
                "logs:DescribeResourcePolicies",
                "logs:GetLogDelivery",
                "logs:ListLogDeliveries",
                "logs:PutResourcePolicy",
                "logs:UpdateLogDelivery",
            ],
        )
        .everywhere("the log delivery actions take no resource"),
    );
    // https://docs.aws.amazon.com/step-functions/latest/dg/xray-iam.html
    statements.push(
        Statement::allow(
            "Trace",
            &["xray:GetSamplingRules", "xray:GetSamplingTargets", "xray:PutTelemetryRecords", "xray:PutTraceSegments"],
        )
        .everywhere("the X-Ray actions take no resource"),
    );
    statements
}

/// The compute's.
pub(super) fn of_compute(model: &Model<'_>) -> Vec<Statement> {
    let mut statements = own_bucket(model.name);
    if let Some(access) = &model.manifest.access {
        statements.extend(by_account("ReadObjects", READ, &access.read, objects));
        statements.extend(by_account("WriteObjects", WRITE, &access.write, objects));
        statements.extend(lists(access.read.iter().chain(&access.write)));
        statements.extend(by_account("ListUploads", UPLOADS, &access.write, |bucket, _| vec![bucket.to_owned()]));
        if !access.secrets.is_empty() {
            statements.push(access.secrets.iter().fold(
                Statement::allow("ReadSecrets", &["secretsmanager:GetSecretValue"]),
                // Secrets Manager adds a hyphen and six characters to a secret's name:
                // https://docs.aws.amazon.com/secretsmanager/latest/userguide/auth-and-access_iam-policies.html
                |statement, secret| {
                    let name = verbatim(&secret.value);
                    statement.on(sub(names::arn("secretsmanager", &format!("secret:{name}-??????"))))
                },
            ));
        }
    }
    statements
}

/// The pipeline's own things in the account's bucket, under the account's key.
fn own_bucket(pipeline: &str) -> Vec<Statement> {
    let in_bucket = |key: &str| sub(format!("arn:${{AWS::Partition}}:s3:::{}/{key}", names::BUCKET));
    vec![
        Statement::allow("ReadArtifacts", &["s3:GetObject"])
            .on(in_bucket(&format!("artifacts/{pipeline}/*")))
            .on(in_bucket("runner/*"))
            .in_account(None),
        Statement::allow("WriteLogs", &["s3:PutObject"])
            .on(in_bucket(&format!("{}*", names::logs_prefix(pipeline))))
            .in_account(None),
        // On EMR: the JAR that runs a script lies in a bucket of EMR's, whose account AWS does not publish; it is not this one.
        Statement::allow("ReadScriptRunner", &["s3:GetObject"])
            .on(sub("arn:${AWS::Partition}:s3:::${AWS::Region}.elasticmapreduce/libs/script-runner/*"))
            .when("StringNotEquals", "aws:ResourceAccount", reference("AWS::AccountId")),
        Statement::allow("UseAccountKey", &["kms:Decrypt", "kms:GenerateDataKey"])
            .on(sub(names::arn("kms", "key/*")))
            .when("ForAnyValue:StringEquals", "kms:ResourceAliases", names::KEY_ALIAS),
    ]
}

const READ: &[&str] = &["s3:GetObject"];

/// Writing includes reading, because Spark's committers look at what they write.
const WRITE: &[&str] =
    &["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"];

/// Committers look for unfinished uploads of theirs; the action takes a bucket and no prefix.
const UPLOADS: &[&str] = &["s3:ListBucketMultipartUploads"];

/// One statement an account, because policies are short of room.
fn by_account(
    sid: &str,
    actions: &[&'static str],
    locations: &[Spanned<Location>],
    paths: impl Fn(&str, &str) -> Vec<String>,
) -> Vec<Statement> {
    let mut statements: Vec<(Option<&str>, Statement)> = Vec::new();
    for location in locations {
        let Some((bucket, key)) = parts(&location.s3) else { continue };
        let account = account_of(location);
        let at = statements.iter().position(|(other, _)| *other == account).unwrap_or_else(|| {
            let name = account.map_or(sid.to_owned(), |account| format!("{sid}Of{account}"));
            statements.push((account, Statement::allow(name, actions).in_account(account)));
            statements.len() - 1
        });
        if let Some((_, statement)) = statements.get_mut(at) {
            for arn in paths(bucket, key).iter().map(|path| s3_arn(path)) {
                if !statement.has(&arn) {
                    *statement = statement.clone().on(arn);
                }
            }
        }
    }
    statements.into_iter().map(|(_, statement)| statement).collect()
}

/// What a location stands for. A folder is three things to Spark's file systems, which ask for each of them and take a
/// refusal for a failure: what is in it, a file of its name, and EMRFS's marker of an empty folder.
/// <https://hadoop.apache.org/docs/stable/hadoop-aws/tools/hadoop-aws/assumed_roles.html>, "Mixed Permissions";
/// <https://repost.aws/knowledge-center/emr-s3-empty-files>
fn objects(bucket: &str, key: &str) -> Vec<String> {
    let mut paths = vec![format!("{bucket}/{key}")];
    if let Some(folder) = key.strip_suffix("/*") {
        paths.extend([format!("{bucket}/{folder}"), format!("{bucket}/{folder}_$folder$")]);
    }
    paths
}

/// What may be listed, one statement a bucket. A request that names a prefix must name one of these; a question for an
/// object that is not there names none, and S3 says "not found" instead of "denied" only to those who may list:
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html>, "Permissions".
fn lists<'a>(locations: impl Iterator<Item = &'a Spanned<Location>>) -> Vec<Statement> {
    let mut buckets: Vec<(&str, Option<&str>, Vec<&str>)> = Vec::new();
    for location in locations {
        let Some((bucket, key)) = parts(&location.s3) else { continue };
        let account = account_of(location);
        match buckets.iter_mut().find(|(other, its, _)| *other == bucket && *its == account) {
            Some((_, _, keys)) if keys.contains(&key) => {}
            Some((_, _, keys)) => keys.push(key),
            None => buckets.push((bucket, account, vec![key])),
        }
    }
    let statement = |(at, (bucket, account, keys)): (usize, &(&str, Option<&str>, Vec<&str>))| {
        let sid = format!("List{}", at + 1);
        let list = Statement::allow(sid, &["s3:ListBucket"]).on(s3_arn(bucket)).in_account(*account);
        if keys.contains(&"*") {
            return list;
        }
        let prefixes: Vec<String> = keys.iter().flat_map(|key| list_prefixes(key)).collect();
        list.when("StringLikeIfExists", "s3:prefix", prefixes)
    };
    buckets.iter().enumerate().map(statement).collect()
}

fn account_of(location: &Spanned<Location>) -> Option<&str> {
    location.account.as_ref().map(|account| account.value.as_str())
}

impl Statement {
    /// Only on buckets of this account: the pipeline's own unless another is named.
    fn in_account(self, account: Option<&str>) -> Self {
        self.when(
            "StringEquals",
            "aws:ResourceAccount",
            account.map_or(reference("AWS::AccountId"), |named| json!(named)),
        )
    }
}

/// Prefixes under which a location may be listed: itself, and the folder that `data/*` stands for.
fn list_prefixes(key: &str) -> Vec<String> {
    match key.strip_suffix("/*") {
        Some(folder) => vec![folder.to_owned(), format!("{folder}/"), key.to_owned()],
        None => vec![key.to_owned()],
    }
}

fn s3_arn(path: &str) -> Value {
    sub(format!("arn:${{AWS::Partition}}:s3:::{}", verbatim(path)))
}

/// Bucket and key pattern of `s3://bucket/prefix/*`. A location that names a folder means what is in it.
fn parts(uri: &str) -> Option<(&str, &str)> {
    let (bucket, key) = uri.strip_prefix("s3://")?.split_once('/')?;
    (!bucket.is_empty()).then_some((bucket, if key.is_empty() { "*" } else { key }))
}
