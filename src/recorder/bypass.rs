//! Which links of an answer lead past the agent: what the data path left, and what it did not look at.

use super::Knowledge;
use crate::exchange::record::{BypassLink, Word};
use crate::exchange::{BodyLinks, Bypass, Exchange, Links, Reference, Why};
use crate::vendors::Judgement;
use std::sync::Arc;

/// Stands for places that were not read.
const UNKNOWN: &str = "unknown";

/// The links that lead past the agent, once for each place and reason.
pub fn links(exchange: &Exchange, known: &Knowledge, judged: Option<&Judgement>) -> Vec<Bypass> {
    let Links { left, body } = &exchange.links;
    let mut found = left.clone();
    let (BodyLinks::Untouched(why), Some(judged)) = (*body, judged) else { return found };
    let mut add = |field: &Arc<str>, why| {
        let bypass = Bypass { field: Arc::clone(field), why };
        if !found.contains(&bypass) {
            found.push(bypass);
        }
    };
    for link in &judged.links {
        if let Some(why) = known.leads_past(&link.text, why) {
            add(&link.place, why);
        }
    }
    if judged.links_unread && judged.links.is_empty() {
        add(&UNKNOWN.into(), Why::Unreadable);
    }
    found
}

/// As the record tells them.
pub fn told(links: &[Bypass]) -> Vec<BypassLink> {
    let told = |b: &Bypass| BypassLink { field: Arc::clone(&b.field), reason: Word::Borrowed(b.why.as_str()) };
    links.iter().map(told).collect()
}

impl Knowledge {
    /// Why an absolute URL that was left for `why` leads past the agent; `None` if it does not lead to the vendor.
    fn leads_past(&self, url: &str, why: Why) -> Option<Why> {
        // What has no scheme has the upstream's; whichever that is, the host tells whose it is.
        [true, false].into_iter().find_map(|tls| match Reference::parse(url, tls) {
            Reference::Absolute(origin, _) if self.origins.contains(&origin) => Some(why),
            Reference::Absolute(origin, _) if origin.name().is_some_and(|name| self.profile.is_vendor_host(name)) => {
                Some(Why::OtherHost)
            }
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::Origin;
    use crate::vendors::Profile;

    #[test]
    fn only_links_to_the_vendor_lead_past() {
        let origins = Origin::new(false, "127.0.0.1", 8090).into_iter().collect();
        let profile = Profile::builtin("freshsales").expect("a built-in profile");
        let known = Knowledge::new(profile).expect("a policy").among(origins);
        for (url, expected) in [
            ("http://127.0.0.1:8090/crm/sales/api/job_statuses/1", Some(Why::Off)),
            ("//127.0.0.1:8090/x", Some(Why::Off)),
            ("https://acme.myfreshworks.com/crm/sales/api/job_statuses/1", Some(Why::OtherHost)),
            ("http://127.0.0.1:8080/crm/sales/api/job_statuses/1", None),
            ("https://files.example/report.csv", None),
            ("/crm/sales/api/job_statuses/1", None),
        ] {
            assert_eq!(known.leads_past(url, Why::Off), expected, "{url}");
        }
    }
}
