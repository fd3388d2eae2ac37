//! Where clusters run: the subnets that were named, those of the setup before, or the default VPC's.
//!
//! In come ids, or nothing; out come the stack's parameters. It refuses subnets that do not fit together.

use std::collections::BTreeMap;

use crate::cloud::network::{self, Subnet};
use crate::cloud::stack::Stack;
use crate::cloud::{CloudResult, Session};
use crate::source::{Code, Finding};

const PARAMETERS: [&str; 3] = ["Vpc", "Subnets", "PrivateSubnets"];

/// Where clusters run, as parameters of the account stack. What an earlier setup was told holds until another is said.
pub(super) async fn parameters(
    session: &Session,
    wanted: &[String],
    before: Option<&Stack>,
) -> CloudResult<BTreeMap<String, String>> {
    if !wanted.is_empty() {
        return Ok(Network::of(&network::subnets(session, wanted).await?)?.parameters());
    }
    let known = |name: &str| {
        before?.parameters.get(name).filter(|value| !value.is_empty()).map(|value| (name.to_owned(), value.clone()))
    };
    let known: BTreeMap<String, String> = PARAMETERS.into_iter().filter_map(known).collect();
    if known.len() == PARAMETERS.len() {
        return Ok(known);
    }
    let found = network::default_subnets(session).await?;
    if found.is_empty() {
        return Err(no_network(session.region()));
    }
    Ok(Network::of(&found)?.parameters())
}

struct Network {
    vpc: String,
    subnets: Vec<String>,
    private: bool,
}

impl Network {
    /// The network of these subnets, if they fit together.
    fn of(subnets: &[Subnet]) -> CloudResult<Self> {
        let mixed = |message: String| {
            let help = "name subnets of one VPC and of one kind, best one for each zone";
            Box::new(Finding::new(Code::MixedSubnets, message).why("nothing was written").help(help))
        };
        let Some(first) = subnets.first() else { return Err(mixed("no subnet was found".to_owned())) };
        if let Some(other) = subnets.iter().find(|other| other.vpc != first.vpc) {
            return Err(mixed(format!("subnets `{}` and `{}` belong to different VPCs", first.id, other.id)));
        }
        if let Some(other) = subnets.iter().find(|other| other.public != first.public) {
            let (public, private) = if first.public { (first, other) } else { (other, first) };
            return Err(mixed(format!("subnet `{}` is public, and `{}` is private", public.id, private.id)));
        }
        let ids = subnets.iter().map(|subnet| subnet.id.clone()).collect();
        Ok(Self { vpc: first.vpc.clone(), subnets: ids, private: !first.public })
    }

    fn parameters(self) -> BTreeMap<String, String> {
        let values = [self.vpc, self.subnets.join(","), self.private.to_string()];
        PARAMETERS.into_iter().map(str::to_owned).zip(values).collect()
    }
}

fn no_network(region: &str) -> Box<Finding> {
    let message = format!("no network for clusters: {region} has no default VPC");
    let finding = Finding::new(Code::NoNetwork, message).why("nothing was written");
    Box::new(finding.help("name subnets of a VPC with `dpc setup account --subnets subnet-…,subnet-…`"))
}

#[cfg(test)]
mod tests {
    use super::super::testing::assert_reads;
    use super::*;

    fn subnet(id: &str, vpc: &str, public: bool) -> Subnet {
        Subnet { id: id.into(), vpc: vpc.into(), zone: "eu-central-1a".into(), public }
    }

    #[test]
    fn subnets_must_fit_together() {
        let fit = Network::of(&[subnet("subnet-0a", "vpc-1", false), subnet("subnet-0b", "vpc-1", false)]).unwrap();
        assert_eq!((fit.private, fit.subnets.join(",")), (true, "subnet-0a,subnet-0b".to_owned()));
        let refused = |subnets: &[Subnet]| Network::of(subnets).err().unwrap();
        assert_reads(&refused(&[subnet("subnet-0a", "vpc-1", true), subnet("subnet-0b", "vpc-2", true)]));
        assert_eq!(
            refused(&[subnet("subnet-0a", "vpc-1", false), subnet("subnet-0b", "vpc-1", true)]).message,
            "subnet `subnet-0b` is public, and `subnet-0a` is private"
        );
        assert_reads(&no_network("eu-central-1"));
    }
}
