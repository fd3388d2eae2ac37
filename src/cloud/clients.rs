//! One configuration for all AWS clients, and the clients, each made when first used.
//!
//! In come a profile and a region; out come SDK clients that share one connection pool. It refuses to know what they are
//! used for.
//!
//! TLS is rustls with ring: the SDK's default, aws-lc, doubles the time of a clean build (docs/decisions/).

use std::sync::OnceLock;
use std::time::Duration;

use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::{HttpConnectorSettings, SharedHttpClient, SharedHttpConnector};

/// Which credentials and which region. What is absent comes from the standard AWS chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// A profile of `~/.aws/config`. Credentials in the environment variables win over it, so that one `dpc.yaml` serves
    /// a laptop and a CI job alike; the account is compared before anything is written.
    pub profile: Option<String>,
    /// The region.
    pub region: Option<String>,
}

/// The clients of one account and region.
#[derive(Debug)]
pub struct Clients {
    config: SdkConfig,
    http: SharedHttpClient,
    cloudformation: OnceLock<aws_sdk_cloudformation::Client>,
    dynamodb: OnceLock<aws_sdk_dynamodb::Client>,
    emr: OnceLock<aws_sdk_emr::Client>,
    eventbridge: OnceLock<aws_sdk_eventbridge::Client>,
    lambda: OnceLock<aws_sdk_lambda::Client>,
    logs: OnceLock<aws_sdk_cloudwatchlogs::Client>,
    s3: OnceLock<aws_sdk_s3::Client>,
    sfn: OnceLock<aws_sdk_sfn::Client>,
    sns: OnceLock<aws_sdk_sns::Client>,
    sts: OnceLock<aws_sdk_sts::Client>,
}

impl Clients {
    /// Reads the AWS configuration; calls nothing yet.
    pub async fn new(target: &Target) -> Self {
        let http =
            aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http.clone());
        if let Some(profile) = &target.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = &target.region {
            loader = loader.region(Region::new(region.clone()));
        }
        Self::of(loader.load().await, http)
    }

    fn of(config: SdkConfig, http: SharedHttpClient) -> Self {
        Self {
            config,
            http,
            cloudformation: OnceLock::new(),
            dynamodb: OnceLock::new(),
            emr: OnceLock::new(),
            eventbridge: OnceLock::new(),
            lambda: OnceLock::new(),
            logs: OnceLock::new(),
            s3: OnceLock::new(),
            sfn: OnceLock::new(),
            sns: OnceLock::new(),
            sts: OnceLock::new(),
        }
    }

    /// The clients of a role, in another region if need be. Nothing is called yet: the role is assumed with the first call,
    /// and again before its credentials expire.
    pub async fn assuming(&self, role: &str, region: &str, session: &str) -> Self {
        let region = Region::new(region.to_owned());
        // The regional endpoint of STS, which works where the global one is closed:
        // <https://docs.aws.amazon.com/sdkref/latest/guide/feature-sts-regionalized-endpoints.html>.
        let own = self.config.to_builder().region(region.clone()).build();
        let provider = AssumeRoleProvider::builder(role).session_name(session).region(region).configure(&own);
        let credentials = SharedCredentialsProvider::new(provider.build().await);
        Self::of(own.into_builder().credentials_provider(credentials).build(), self.http.clone())
    }

    /// The configuration behind the clients: credentials and region, for requests that are signed by hand.
    pub fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// The region, if any source names one.
    pub fn region(&self) -> Option<&str> {
        self.config.region().map(AsRef::as_ref)
    }

    /// The HTTPS client that all of them share.
    pub fn http(&self) -> &SharedHttpClient {
        &self.http
    }

    /// CloudFormation.
    pub fn cloudformation(&self) -> &aws_sdk_cloudformation::Client {
        self.cloudformation.get_or_init(|| aws_sdk_cloudformation::Client::new(&self.config))
    }

    /// DynamoDB.
    pub fn dynamodb(&self) -> &aws_sdk_dynamodb::Client {
        self.dynamodb.get_or_init(|| aws_sdk_dynamodb::Client::new(&self.config))
    }

    /// EMR.
    pub fn emr(&self) -> &aws_sdk_emr::Client {
        self.emr.get_or_init(|| aws_sdk_emr::Client::new(&self.config))
    }

    /// EventBridge.
    pub fn eventbridge(&self) -> &aws_sdk_eventbridge::Client {
        self.eventbridge.get_or_init(|| aws_sdk_eventbridge::Client::new(&self.config))
    }

    /// Lambda.
    pub fn lambda(&self) -> &aws_sdk_lambda::Client {
        self.lambda.get_or_init(|| aws_sdk_lambda::Client::new(&self.config))
    }

    /// CloudWatch Logs.
    pub fn logs(&self) -> &aws_sdk_cloudwatchlogs::Client {
        self.logs.get_or_init(|| aws_sdk_cloudwatchlogs::Client::new(&self.config))
    }

    /// S3. With an endpoint of one's own, buckets are addressed by path: `bucket.127.0.0.1` does not resolve.
    pub fn s3(&self) -> &aws_sdk_s3::Client {
        self.s3.get_or_init(|| {
            let by_path = self.config.endpoint_url().is_some();
            let config = aws_sdk_s3::config::Builder::from(&self.config).force_path_style(by_path).build();
            aws_sdk_s3::Client::from_conf(config)
        })
    }

    /// Step Functions.
    pub fn sfn(&self) -> &aws_sdk_sfn::Client {
        self.sfn.get_or_init(|| aws_sdk_sfn::Client::new(&self.config))
    }

    /// SNS.
    pub fn sns(&self) -> &aws_sdk_sns::Client {
        self.sns.get_or_init(|| aws_sdk_sns::Client::new(&self.config))
    }

    /// STS.
    pub fn sts(&self) -> &aws_sdk_sts::Client {
        self.sts.get_or_init(|| aws_sdk_sts::Client::new(&self.config))
    }
}

/// A connector for requests that no SDK client makes, with the same TLS.
pub fn connector() -> SharedHttpConnector {
    let settings = HttpConnectorSettings::builder()
        .connect_timeout(Duration::from_secs(5))
        .read_timeout(Duration::from_secs(30))
        .build();
    let connector =
        Connector::builder().connector_settings(settings).tls_provider(Provider::Rustls(CryptoMode::Ring)).build();
    SharedHttpConnector::new(connector)
}
