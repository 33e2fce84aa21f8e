use super::*;
use crate::proxy::Integration;
use crate::secret::Secret;
use crate::vendors::Profile;
use http::HeaderValue;

/// A gate before an upstream of everybody's key (`common`) and `erp`'s own (`own`).
fn gate(common: bool, own: bool, access: upstream::Access) -> Gate {
    let profile = Profile::builtin("freshsales").expect("a built-in profile");
    let auth = profile.auth_form(None).expect("a form");
    let written = |key: &str| auth.write(&Secret::new(key), "").expect("a credential");
    let mut erp = Integration { name: Arc::from("erp"), ..Integration::unknown() };
    if own {
        erp.upstream_credentials = vec![(Arc::from("crm"), written("erp-key"))];
    }
    let credential = common.then(|| written("common-key"));
    let upstream = upstream::Config { credential, access, ..upstream::Config::plain("crm", "127.0.0.1", 1, None) };
    let config = Config { integrations: vec![erp], ..Config::default() };
    Gate::new(&config, &upstream, &[7; 32]).expect("a gate")
}

fn access(always: bool, integrations: &[&str]) -> upstream::Access {
    let names = integrations.iter().map(|name| Arc::from(*name)).collect();
    upstream::Access { always, integrations: (!integrations.is_empty()).then_some(names) }
}

const STRANGER: Claim<'_> = Claim { named: "erp", pinned: false, token: Ok(None), certified: false, local: false };

const COMMON: Result<Option<Slot>, AgentError> = Ok(Some(Slot(0)));
const UNKNOWN: Result<Option<Slot>, AgentError> = Err(AgentError::CallerUnauthenticated);
const FORBIDDEN: Result<Option<Slot>, AgentError> = Err(AgentError::CallerForbidden);

#[test]
fn whoever_can_be_reached_from_elsewhere_asks_for_proof() {
    let gate = gate(true, false, access(false, &[]));
    assert_eq!(gate.choose(&STRANGER), UNKNOWN);
    assert_eq!(gate.choose(&Claim { token: Ok(Some("erp")), ..STRANGER }), COMMON);
    assert_eq!(gate.choose(&Claim { certified: true, ..STRANGER }), COMMON);
    assert_eq!(gate.choose(&Claim { local: true, ..STRANGER }), COMMON);
    // A wrong token is a mistake or an attempt, wherever it comes from.
    assert_eq!(gate.choose(&Claim { token: Err(()), local: true, certified: true, ..STRANGER }), UNKNOWN);
}

#[test]
fn always_means_on_this_machine_too() {
    let gate = gate(true, false, access(true, &[]));
    assert_eq!(gate.choose(&Claim { local: true, ..STRANGER }), UNKNOWN);
    assert_eq!(gate.choose(&Claim { local: true, token: Ok(Some("erp")), ..STRANGER }), COMMON);
}

#[test]
fn an_integrations_own_credential_is_for_whoever_proves_to_be_it() {
    let gate = gate(true, true, access(false, &[]));
    let own = Ok(Some(Slot(1)));
    assert_eq!(gate.choose(&Claim { token: Ok(Some("erp")), ..STRANGER }), own);
    // A certificate says that it may call, not that it is the one whose header it sends; on its own listener it does.
    assert_eq!(gate.choose(&Claim { certified: true, ..STRANGER }), UNKNOWN);
    assert_eq!(gate.choose(&Claim { certified: true, pinned: true, ..STRANGER }), own);
    assert_eq!(gate.choose(&Claim { token: Ok(Some("shop")), pinned: true, ..STRANGER }), UNKNOWN);
    assert_eq!(gate.choose(&Claim { local: true, ..STRANGER }), own);
    assert_eq!(gate.choose(&Claim { named: "shop", token: Ok(Some("shop")), ..STRANGER }), COMMON);
}

#[test]
fn without_a_common_key_others_send_their_own() {
    let gate = gate(false, true, access(false, &[]));
    assert_eq!(gate.choose(&Claim { named: "shop", ..STRANGER }), Ok(None));
    assert_eq!(gate.choose(&STRANGER), UNKNOWN);
}

#[test]
fn only_those_who_are_named_pass() {
    let gate = gate(true, false, access(false, &["erp"]));
    assert_eq!(gate.choose(&Claim { token: Ok(Some("erp")), ..STRANGER }), COMMON);
    assert_eq!(gate.choose(&Claim { named: "shop", token: Ok(Some("shop")), ..STRANGER }), FORBIDDEN);
    assert_eq!(gate.choose(&Claim { certified: true, ..STRANGER }), UNKNOWN);
    assert_eq!(gate.choose(&Claim { local: true, ..STRANGER }), COMMON);
    assert_eq!(gate.choose(&Claim { named: "unknown", local: true, ..STRANGER }), FORBIDDEN);
}

#[test]
fn an_upstream_without_anything_has_no_gate() {
    let plain = upstream::Config::plain("crm", "127.0.0.1", 1, None);
    assert!(Gate::new(&Config::default(), &plain, &[7; 32]).is_none());
}

#[test]
fn pages_in_a_browser_are_not_of_this_machine() {
    let of = |pairs: &[(&'static str, &'static str)]| {
        let pairs = pairs.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v)));
        is_of_this_machine(&pairs.collect())
    };
    for host in ["localhost:8080", "LOCALHOST", "crm.localhost", "127.0.0.1:8080", "127.9.9.9", "[::1]:8080"] {
        assert!(of(&[("host", host)]), "{host}");
    }
    for host in ["rebound.example:8080", "10.0.0.1", "[2001:db8::1]", "localhost.example", ""] {
        assert!(!of(&[("host", host)]), "{host}");
    }
    assert!(of(&[]) && of(&[("host", "localhost"), ("sec-fetch-site", "none")]));
    assert!(!of(&[("host", "localhost"), ("origin", "https://page.example")]));
    assert!(!of(&[("host", "localhost"), ("sec-fetch-site", "same-origin")]));
}
