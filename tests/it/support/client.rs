//! An HTTP client for the tests' own requests.

/// A client with no proxy from the environment and no redirects: what is asked is what is sent.
pub fn client() -> reqwest::Client {
    super::tls::install_ring();
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(super::DEADLINE)
        .build()
        .expect("a client with fixed settings")
}
