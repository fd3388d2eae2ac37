//! Every diagnostic code, once: its number, its title, its page.
//!
//! DPC0xx reading files and YAML, DPC1xx shape (keys and types), DPC2xx project and environments, DPC3xx pipelines,
//! triggers and time, DPC4xx steps and templates, DPC5xx what was compiled (limits, state graph, permissions), DPC6xx
//! AWS and deployment, DPC7xx runs, DPC8xx tests of a project. A number is never used twice, not even after its code is gone.

macro_rules! codes {
    ($($variant:ident = $number:literal $title:literal;)*) => {
        /// A diagnostic code. Its page is `docs/errors/<id>.md`, its fixture `fixtures/broken/<id>/`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $title] $variant,)*
        }

        impl Code {
            /// All codes, in order.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)*];

            /// What is printed: `DPC101`.
            pub fn id(self) -> &'static str {
                match self { $(Code::$variant => concat!("DPC", $number),)* }
            }

            /// The code that a user typed: `DPC101`, `dpc101` or `101`.
            pub fn parse(text: &str) -> Option<Code> {
                let digits = text.trim().to_ascii_uppercase();
                let digits = digits.strip_prefix("DPC").unwrap_or(&digits);
                Code::ALL.iter().copied().find(|code| code.id().strip_prefix("DPC") == Some(digits))
            }

            /// A few words, for lists.
            pub fn title(self) -> &'static str {
                match self { $(Code::$variant => $title,)* }
            }

            /// The page that `dpc explain` prints.
            pub fn page(self) -> &'static str {
                match self { $(Code::$variant => include_str!(concat!("../../docs/errors/DPC", $number, ".md")),)* }
            }
        }
    };
}

codes! {
    // 0xx: reading files and YAML.
    NotUtf8 = "001" "file is not UTF-8";
    FileTooLarge = "002" "file is too large";
    EmptyFile = "003" "file is empty";
    ControlCharacter = "004" "control character";
    YamlSyntax = "005" "not valid YAML";
    TabIndentation = "006" "tab in the indentation";
    Unclosed = "007" "quote or bracket is not closed";
    DuplicateKey = "008" "key is here twice";
    UnknownAnchor = "009" "alias without an anchor";
    RecursiveAlias = "010" "alias contains itself";
    AliasBomb = "011" "too many values";
    BadMerge = "012" "merge of something that is no mapping";
    SeveralDocuments = "013" "several documents in one file";
    TagRefused = "014" "tag is not supported";
    KeyNotText = "015" "key is not text";
    UnquotedExpression = "016" "expression without quotes";
    UnquotedStar = "017" "cron expression without quotes";
    NoValue = "018" "key has no value";
    TooDeep = "019" "values nest too deep";

    // 1xx: shape.
    UnknownKey = "101" "unknown key";
    NotSupportedYet = "102" "not supported yet";
    MissingKey = "103" "key is missing";
    WrongType = "104" "value of the wrong type";
    WrongValue = "105" "value is not allowed";
    UnquotedNumber = "106" "number without quotes where text belongs";

    // 2xx: project and environments.
    NoProject = "201" "no dpc.yaml";
    FileUnreadable = "202" "file cannot be read";
    FolderTooLarge = "203" "pipeline folder is too large";
    NotPackable = "204" "file cannot go into the archive";
    NoPipelineFile = "205" "pattern names no pipeline file";
    BadName = "206" "name is not valid";
    DuplicatePipeline = "207" "two pipelines of one name";
    BadAccount = "210" "not an account number";
    BadRegion = "211" "not a region";
    SameTarget = "212" "two environments in one place";
    UnknownEnvironment = "213" "no environment of this name";
    WhichEnvironment = "214" "environment must be chosen";
    NoEnvironment = "215" "project has no environments";
    UnknownVariable = "216" "variable is not set";
    BadTag = "217" "not a tag";
    UnknownVersion = "218" "version of the language is not known";
    FileExists = "219" "file exists already";
    NoPolicy = "240" "policy file is not there";
    BadPolicy = "241" "rule of the policy makes no sense";
    PolicyViolated = "242" "policy is violated";
    BadRole = "250" "not a role or a policy of IAM's";
    BadRolePath = "251" "not a path or a prefix of roles";
    ForeignRole = "252" "role belongs to another account";
    RoleCannotServe = "253" "role cannot be given to cluster nodes";
    RoleNameTooLong = "254" "name of a role would be too long";

    // 3xx: pipelines, triggers, time.
    NoSteps = "301" "pipeline has no steps";
    BadPartition = "302" "not a partition";
    UnknownZone = "303" "time zone is not known";
    BadParameterType = "304" "parameter type or default is not valid";
    ParameterNeedsDefault = "305" "parameter of a scheduled pipeline has no default";
    UnusedParameter = "306" "parameter is not used";
    UnusedCompute = "307" "compute profile is not used";
    BadLocation = "308" "not an S3 location";
    BadSecretName = "309" "not the name of a secret";
    PlainSecret = "310" "looks like a secret";
    RepeatedSchedule = "340" "schedule is written twice";
    BadAlertEvent = "341" "alert on something that is never announced";
    BadEmail = "342" "not an e-mail address";
    BadSchedule = "343" "not a schedule";
    ScheduleOver = "344" "schedule lies in the past";
    BadBounds = "345" "start and end of a schedule do not fit";
    ClockChange = "346" "time that the clocks skip or repeat";
    BadObjects = "347" "not a part of an object's key";
    BadPattern = "348" "not an event pattern";
    PatternTooLong = "349" "event pattern is too long";
    BroadPattern = "350" "event pattern looks at every event";
    EventLoop = "351" "pipeline starts itself";
    BadBus = "352" "not an event bus";
    FromWithoutEvents = "353" "partition of an event without events";
    RepeatedEvent = "355" "event is written twice";
    BadCondition = "356" "not a condition on pipelines";
    BadStatus = "357" "not a status to wait for";
    BadLook = "358" "not a distance between partitions";
    PointlessCondition = "359" "condition changes nothing";
    NeverHolds = "360" "condition can never hold";
    WaitsForItself = "361" "pipeline waits for itself";
    UnknownUpstream = "362" "upstream pipeline is not in the project";
    PipelineCycle = "363" "pipelines wait for each other";
    DoesNotNest = "364" "partitions do not fit together";
    GuessedSchedule = "365" "schedule works against the trigger";
    NeedsCentral = "366" "trigger needs a central account";
    ManyRunsAPartition = "367" "upstream runs several times for one partition";
    UnfitDate = "370" "date filter does not fit";
    BadEnum = "371" "values of an enum are wrong";
    BadListItems = "372" "items of a list are wrong";
    RequiredWithDefault = "373" "parameter is required and has a default";
    UnknownParameterEnvironment = "374" "parameter names an environment that there is not";
    NoStepType = "380" "step type is not there";
    BadStepType = "381" "step type is wrong";
    NotFetched = "382" "step type has not been fetched";
    BadWith = "383" "value does not fit the step type";
    MissingWith = "384" "step type is not given what it needs";
    UnknownWith = "385" "step type has no such parameter";
    WithWithoutUses = "386" "with of a step that uses no step type";
    BadPin = "387" "step type is not pinned rightly";
    UnreachedState = "388" "state is never reached";
    UnknownJob = "390" "job is unknown";
    MissingJobParam = "391" "parameter of a job has no value";
    UnknownJobParam = "392" "job has no such parameter";
    BadJobParam = "393" "value does not fit the parameter of a job";
    ParamsWithoutJob = "394" "params of a step that uses no job";
    JobOfJob = "395" "job uses a job";
    UnusedJob = "396" "job is not used";
    LateInJob = "397" "job cannot know this value";
    JobsFolderTaken = "398" "file of a job and of the pipeline have one path";
    BadJobFile = "399" "job file is wrong";

    // 4xx: steps and templates.
    DuplicateStep = "401" "two steps of one name";
    UnknownStep = "402" "need names no step";
    StepCycle = "403" "steps wait for each other";
    NeededTwice = "404" "step is needed twice";
    OneKind = "405" "not exactly one kind";
    UnknownCompute = "406" "no compute profile of this name";
    NoCompute = "407" "step has nothing to run on";
    MissingFile = "408" "file is not in the folder";
    PathEscapes = "409" "path leads out of the folder";
    NotExecutable = "410" "program is not executable";
    BadTemplate = "411" "not an expression";
    TemplateElsewhere = "412" "template where none is rendered";
    TemplateStatement = "413" "statement or comment in a template";
    UnknownTemplateName = "414" "template names nothing";
    LatePath = "420" "more than a path";
    UnknownOutput = "421" "output of no step";
    NotUpstream = "422" "output of a step that is not waited for";
    NoOutput = "423" "step has no output";
    OutsideMap = "424" "item outside a map";
    BadWhen = "425" "not a condition";
    BadMap = "426" "map cannot run like this";
    MapTimeout = "427" "time-out of a map";
    BadDuration = "440" "not a duration";
    DurationOutOfRange = "441" "duration is too short or too long";
    BadRetry = "442" "retry is out of bounds";
    BadEntrypoint = "443" "entrypoint is neither Python nor a JAR";
    ClassOfPython = "444" "main class of a Python file";
    BadSparkProperty = "445" "not a Spark property";
    EmptyCommand = "446" "command is empty";
    BadVariableName = "447" "not a name for an environment variable";
    StepTooLong = "448" "arguments of a step are too long";
    BadRelease = "450" "not an EMR release";
    OldRelease = "451" "EMR release is too old";
    BadInstanceType = "452" "not an EC2 instance type";
    BadNodeCount = "453" "number of nodes is wrong";
    UnknownApplication = "454" "EMR application is unknown";
    RepeatedApplication = "455" "EMR application is listed twice";
    MissingApplication = "456" "step needs an application that its cluster lacks";
    ForeignKey = "457" "key that cannot travel in a template";
    BadFunction = "458" "not a Lambda function";
    NeedlessCompute = "459" "step runs on nothing of its own";
    BadGlueRun = "460" "Glue would not start the run";
    BadBatchJob = "461" "Batch would not take the job";
    UnknownStarted = "462" "no pipeline of this name to start";
    StartsItself = "463" "pipelines start each other";
    WrongParams = "464" "params do not fit the pipeline that is started";
    OtherGranularity = "465" "partition of the pipeline that is started must be named";
    BadState = "466" "not a state of Step Functions";
    JsonPath = "467" "JSONPath where JSONata is spoken";
    BadPermission = "468" "not a permission";
    PermissionMissing = "469" "permission is evidently missing";
    BadComposition = "480" "nodes of a cluster do not go together";
    BadFleet = "481" "not an instance fleet";
    BadSpot = "482" "spot option out of place";
    BadVolume = "483" "not a volume";
    BadScaling = "484" "limits of scaling are wrong";
    BadBootstrap = "485" "not a bootstrap action";
    BadConfiguration = "486" "not a configuration";
    PlainSecretProperty = "487" "property holds a secret as text";
    BadNetwork = "488" "not an id of EC2";
    BadClusterOption = "489" "option of a cluster is out of bounds";
    WrongCompute = "490" "step cannot run on its compute profile";
    BadApplication = "491" "not an application of EMR Serverless";
    BadSize = "492" "size of compute does not exist";
    BadContainer = "493" "container is not described rightly";
    MovingImage = "494" "image moves";
    NoImage = "495" "shell step on ECS has no image";

    // 5xx: what was compiled.
    TooLarge = "501" "compiled pipeline is too large for AWS";
    NearLimit = "502" "compiled pipeline is almost too large for AWS";
    DynamicReference = "503" "text that CloudFormation would replace";
    MayTakeTooLong = "505" "run may be ended before its steps are";
    NotWritten = "504" "template cannot be written";
    BadLogicalId = "540" "not a logical id, or one of dpc's";
    BadResourceType = "541" "not a type of CloudFormation's";
    UnknownReference = "542" "reference to a resource that is not there";
    BadOverride = "543" "override does not fit";
    OverrideMissesPath = "544" "override leads nowhere";
    OverrideRefused = "545" "part of the template that cannot be overridden";
    OverrideTestFailed = "546" "template is not what an override tests for";
    ResourceCycle = "547" "resources wait for each other";
    BrokenDefinition = "548" "state machine broken by an override";
    RoleLacks = "549" "role lacks permissions that a pipeline needs";
    GuardViolated = "550" "Guard rule is not met";
    BadGuardRules = "551" "Guard rules cannot be used";

    // 6xx: AWS and deployment.
    NoCredentials = "601" "no AWS credentials";
    ExpiredCredentials = "602" "AWS credentials have expired";
    BadCredentials = "603" "AWS does not accept the credentials";
    Unreachable = "604" "AWS endpoint cannot be reached";
    AccessDenied = "605" "permission for an AWS call is missing";
    WrongAccount = "606" "credentials belong to another account";
    NotSetUp = "607" "account is not set up for dpc";
    Throttled = "608" "AWS is throttling";
    AwsRefused = "609" "AWS refused a call";
    VersionDiffers = "610" "account was set up by another version";
    StackBusy = "611" "stack is being changed by somebody else";
    StackStuck = "612" "stack cannot be updated from its state";
    DeployFailed = "613" "deployment failed";
    DeleteFailed = "614" "stack could not be deleted";
    ForeignStack = "615" "stack belongs to something else";
    NotConfirmed = "616" "a question could not be asked";
    NothingSelected = "617" "no pipeline is selected";
    NotALinuxProgram = "650" "binary is no program that Lambda can run";
    GlibcTooNew = "651" "binary needs a newer C library than Lambda has";
    MixedSubnets = "652" "subnets do not fit together";
    NoNetwork = "653" "there is no network for clusters";

    NobodyMayReport = "670" "nobody may report to the central account";
    NotTheCentral = "671" "environment is not the central account";
    StillRegistered = "672" "pipelines are still registered";
    NotAdmitted = "673" "central account does not answer";
    KeyIsGone = "674" "key of an earlier setup is gone";
    NotComparable = "660" "nothing to compare with";

    // 7xx: runs.
    BadEnvelope = "701" "request to the account function cannot be read";
    NotRegistered = "702" "pipeline is not registered";
    OtherSpace = "703" "pipeline is deployed for another space";
    WrongPartition = "704" "partition does not fit the pipeline";
    BadParams = "705" "parameters do not fit the pipeline";
    NotRendered = "706" "arguments of a run cannot be rendered";
    InputTooLarge = "707" "arguments of a run are too large";
    StartRefused = "708" "Step Functions refused to start the run";
    AlreadyRegistered = "709" "pipeline is registered by another stack";
    BadPlan = "710" "plan of a pipeline cannot be read";
    CentralSilent = "775" "central account has not answered";
    CentralRefused = "776" "central account refused";
    RunHasEnded = "777" "run has ended already";
    NothingToRun = "778" "no partition to run";
    NoSuchBatch = "779" "there is no such rerun or backfill";
    BatchIsOver = "780" "rerun or backfill has ended already";
    BadOverlap = "770" "not a way for runs to overlap";
    SkipsTriggers = "772" "triggers would be skipped";
    EventTooLarge = "771" "event is too large to be kept with a run";
    NotDeployed = "751" "pipeline is not deployed";
    NoSuchRun = "752" "there is no such run";
    RunFailed = "753" "run failed";
    BadParameter = "754" "parameter of a run is not NAME=VALUE";
    NotStarted = "755" "run was not started";
    BadRange = "760" "range of partitions cannot be used";
    ForeignPipeline = "761" "pipeline belongs to another account";
    NameTaken = "785" "name is registered by another account";
    PipelineCircle = "786" "pipelines wait for each other";
    UnfitPartitions = "787" "partitions of pipelines do not fit together";
    PartitionsChanged = "788" "partitions changed under others";
    NotOwner = "789" "pipeline belongs to another account";
    NotKnown = "790" "pipeline is not registered at the central account";
    ForeignPartition = "791" "partition is not one of the registered pipeline";
    BadMark = "792" "status cannot be marked";
    UnreadableRow = "794" "row of the central table cannot be read";
    BadReservation = "795" "partitions cannot be reserved";
    BadMessage = "796" "message to the central account cannot be read";
    NewerMessage = "797" "central account is older than an account";
    FactTooLarge = "798" "what a run rests on is too large";
    NoCentral = "799" "account knows no central account";

    // 8xx: tests of a project, without AWS.
    NoTests = "800" "there is no test to run";
    BadTestTime = "801" "not a time in a test";
    BadTestEvent = "802" "not an event in a test";
    UnknownInTest = "803" "name is unknown to a test";
    BadGiven = "804" "pipeline cannot be given like this";
    RunMissing = "805" "expected run did not start";
    RunDiffers = "806" "run started otherwise than expected";
    RunUnexpected = "807" "run started that was not expected";
    RunOutOfOrder = "808" "runs started in another order";
    NotWaiting = "809" "partition does not wait as expected";
    EndlessTest = "810" "test does not come to an end";
    ExpectsNothing = "811" "test expects nothing";
    RefusedInTest = "812" "pipeline of a test would be refused";
}
