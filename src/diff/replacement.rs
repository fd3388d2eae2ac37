//! Which changes of a property make CloudFormation replace the resource: for the types that dpc writes.
//!
//! In come a type and the name of a property; out comes what its documentation says under *Update requires*. For other types
//! it says that it does not know, and a change set has to be asked. Every row is from the resource's page in
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-template-resource-type-ref.html>, whose
//! machine-readable form are the `createOnlyProperties` of the type's schema.

/// What becomes of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It stays.
    Stays,
    /// Another one takes its place.
    Replaced,
    /// Only AWS can say.
    Unknown,
}

/// Types, and the properties whose change replaces; a star is every property but `Tags`.
const REPLACING: &[(&str, &[&str])] = &[
    ("AWS::StepFunctions::StateMachine", &["StateMachineName", "StateMachineType"]),
    ("AWS::IAM::Role", &["RoleName", "Path"]),
    ("AWS::IAM::InstanceProfile", &["InstanceProfileName", "Path"]),
    ("AWS::IAM::ManagedPolicy", &["ManagedPolicyName", "Path", "Description"]),
    ("AWS::IAM::Policy", &[]),
    ("AWS::Logs::LogGroup", &["LogGroupName"]),
    ("AWS::Logs::SubscriptionFilter", &["FilterName", "LogGroupName"]),
    ("AWS::SNS::Topic", &["TopicName", "FifoTopic"]),
    ("AWS::SNS::Subscription", &["TopicArn", "Protocol", "Endpoint"]),
    ("AWS::SNS::TopicPolicy", &[]),
    ("AWS::Scheduler::Schedule", &["Name"]),
    ("AWS::Events::Rule", &["Name", "EventBusName"]),
    ("AWS::Lambda::Permission", &["*"]),
    ("AWS::ECS::TaskDefinition", &["*"]),
    ("AWS::ECS::Cluster", &["ClusterName"]),
    ("AWS::EMRServerless::Application", &["Name", "Type"]),
];

/// What becomes of a resource of this type when this property changes.
pub(super) fn fate(kind: &str, property: &str) -> Fate {
    // The account function keeps the physical id of what it registers.
    if kind.starts_with("Custom::") {
        return Fate::Stays;
    }
    let Some((_, replacing)) = REPLACING.iter().find(|(known, _)| *known == kind) else { return Fate::Unknown };
    let all = replacing.contains(&"*") && property != "Tags";
    if all || replacing.contains(&property) { Fate::Replaced } else { Fate::Stays }
}

/// Whether the type is in the table.
pub(super) fn is_known(kind: &str) -> bool {
    kind.starts_with("Custom::") || REPLACING.iter().any(|(known, _)| *known == kind)
}
