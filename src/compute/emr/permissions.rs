//! The EMR integrations of Step Functions: their parameters, and what the state machine's role must be allowed.
//!
//! In comes a pipeline's name; out come statements. It refuses to know clusters.

use serde_json::json;

use crate::control::names;
use crate::documents::frame;
use crate::documents::integration::Integration;
use crate::documents::policy::{self, Statement};
use crate::documents::template::{Resource, attribute, reference, sub};

/// The EMR integrations that dpc uses. Parameters:
/// <https://docs.aws.amazon.com/step-functions/latest/dg/connect-emr.html>; permissions:
/// <https://docs.aws.amazon.com/step-functions/latest/dg/emr-iam.html>; which of them take a resource or a tag condition:
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticmapreduce.html>.
pub const INTEGRATIONS: &[Integration] = &[CREATE_CLUSTER, ADD_STEP, TERMINATE_CLUSTER];

pub(super) const CREATE_CLUSTER: Integration = Integration {
    name: "elasticmapreduce:createCluster.sync",
    required: &["Name", "Instances", "ServiceRole", "JobFlowRole"],
    optional: &[
        "ReleaseLabel",
        "Applications",
        "LogUri",
        "StepConcurrencyLevel",
        "AutoTerminationPolicy",
        "VisibleToAllUsers",
        "ManagedScalingPolicy",
        "BootstrapActions",
        "Configurations",
        "SecurityConfiguration",
        "CustomAmiId",
        "EbsRootVolumeSize",
        "EbsRootVolumeIops",
        "EbsRootVolumeThroughput",
        "Tags",
    ],
    permissions: create_permissions,
};

pub(super) const ADD_STEP: Integration = Integration {
    name: "elasticmapreduce:addStep.sync",
    required: &["ClusterId", "Step"],
    optional: &[],
    permissions: |pipeline| {
        vec![on_own_clusters(
            "RunStepsOnOwnClusters",
            &["elasticmapreduce:AddJobFlowSteps", "elasticmapreduce:CancelSteps", "elasticmapreduce:DescribeStep"],
            pipeline,
        )]
    },
};

pub(super) const TERMINATE_CLUSTER: Integration = Integration {
    name: "elasticmapreduce:terminateCluster.sync",
    required: &["ClusterId"],
    optional: &[],
    permissions: |pipeline| {
        vec![on_own_clusters(
            "WatchAndReleaseOwnClusters",
            &["elasticmapreduce:DescribeCluster", "elasticmapreduce:TerminateJobFlows"],
            pipeline,
        )]
    },
};

/// `.sync` needs DescribeCluster and TerminateJobFlows too; terminateCluster, which always comes with it, brings them.
fn create_permissions(pipeline: &str) -> Vec<Statement> {
    let own_request = format!("elasticmapreduce:RequestTag/{}", names::PIPELINE_TAG);
    vec![
        Statement::allow("CreateOwnClusters", &["elasticmapreduce:RunJobFlow"])
            .everywhere("RunJobFlow takes no resource; the tag that the request must carry is the limit")
            .when("StringEquals", own_request.clone(), pipeline),
        Statement::allow("TagOwnClusters", &["elasticmapreduce:AddTags"])
            .on(sub(CLUSTERS))
            .when("StringEquals", own_request, pipeline),
        // The cluster is still being made, so no tag of it can be asked for.
        // https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-auto-termination-policy.html
        Statement::allow("EndIdleClusters", &["elasticmapreduce:PutAutoTerminationPolicy"]).on(sub(CLUSTERS)),
        Statement::allow("HandRolesToNodes", &["iam:PassRole"])
            .on(attribute(frame::COMPUTE_ROLE, "Arn"))
            .when("StringEquals", "iam:PassedToService", "ec2.amazonaws.com"),
        // Only the first cluster of an account needs it:
        // https://docs.aws.amazon.com/emr/latest/ManagementGuide/using-service-linked-roles-cleanup.html
        Statement::allow("MakeEmrCleanupRole", &["iam:CreateServiceLinkedRole"])
            .on(sub(
                "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/aws-service-role/elasticmapreduce.amazonaws.com/AWSServiceRoleForEMRCleanup",
            ))
            .when("StringEquals", "iam:AWSServiceName", "elasticmapreduce.amazonaws.com"),
    ]
}

const CLUSTERS: &str = "arn:${AWS::Partition}:elasticmapreduce:${AWS::Region}:${AWS::AccountId}:cluster/*";

fn on_own_clusters(sid: &str, actions: &[&'static str], pipeline: &str) -> Statement {
    let own = format!("elasticmapreduce:ResourceTag/{}", names::PIPELINE_TAG);
    Statement::allow(sid, actions).on(sub(CLUSTERS)).when("StringEquals", own, pipeline)
}

/// The role that EMR itself works under: the account's, or the pipeline's own when EMR must fetch secrets for it.
pub(super) fn hand_over_role(own: bool) -> Statement {
    let accounts = format!("arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:role/{}", names::EMR_SERVICE_ROLE);
    Statement::allow("HandRolesToEmr", &["iam:PassRole"])
        .on(if own { attribute(frame::EMR_ROLE, "Arn") } else { sub(accounts) })
        .when("StringEquals", "iam:PassedToService", "elasticmapreduce.amazonaws.com")
}

/// <https://docs.aws.amazon.com/emr/latest/ManagementGuide/managed-scaling-configure.html>; the cluster is still being
/// made, so no tag of it can be asked for.
pub(super) fn scale() -> Statement {
    Statement::allow("LimitScaling", &["elasticmapreduce:PutManagedScalingPolicy"]).on(sub(CLUSTERS))
}

/// A service role of the pipeline's own: what the account's may do, and these secrets. EMR fetches the secrets of
/// configurations under this role, not under that of the nodes:
/// <https://docs.aws.amazon.com/emr/latest/ReleaseGuide/storing-sensitive-data.html>.
pub fn service_role(secrets: &[&str]) -> Resource {
    let secrets = secrets.iter().fold(
        Statement::allow("ReadSecrets", &["secretsmanager:GetSecretValue"]),
        // Secrets Manager adds a hyphen and six characters to a secret's name:
        // https://docs.aws.amazon.com/secretsmanager/latest/userguide/auth-and-access_iam-policies.html
        |statement, name| statement.on(sub(names::arn("secretsmanager", &format!("secret:{name}-??????")))),
    );
    let key = Statement::allow("UseAccountKey", &["kms:Decrypt"]).on(sub(names::arn("kms", "key/*"))).when(
        "ForAnyValue:StringEquals",
        "kms:ResourceAliases",
        names::KEY_ALIAS,
    );
    let conditions = json!({
        "StringEquals": { "aws:SourceAccount": reference("AWS::AccountId") },
        "ArnLike": { "aws:SourceArn": sub(names::arn("elasticmapreduce", "*")) },
    });
    let purpose = "What EMR may do to run clusters whose configuration holds secrets";
    Resource::new(
        "AWS::IAM::Role",
        purpose,
        json!({
            "Description": purpose,
            "AssumeRolePolicyDocument": policy::trust("elasticmapreduce.amazonaws.com", Some(conditions)),
            "ManagedPolicyArns": [sub(format!("arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:policy/{}", names::EMR_POLICY))],
            "Policies": [{ "PolicyName": "secrets", "PolicyDocument": policy::document(&[secrets, key]) }],
        }),
    )
}
