//! Whether each form of a vendor's credential can be written.

use super::Compiler;
use crate::vendors::auth::{is_template, is_word};
use crate::vendors::file::Auth;
use http::HeaderName;

impl Compiler<'_> {
    pub fn check_auth(&mut self, forms: &[Auth]) {
        for (i, auth) in forms.iter().enumerate() {
            let at = format!("auth[{i}]");
            let is_header = HeaderName::from_lowercase(auth.header.as_bytes()).is_ok();
            if is_header != auth.query.is_empty() {
                self.error(&at, "no place, or two", "name a header in lower case, or a query parameter");
            }
            if (!auth.before.is_empty() || !auth.basic.is_empty()) && auth.header.is_empty() {
                self.error(&at, "`before` or `basic` without a header", "a query parameter holds the key alone");
            }
            if !auth.basic.is_empty() {
                let says = auth.header == "authorization" && auth.before.is_empty();
                let pair = auth.basic.contains(':') && auth.basic.contains("{key}") && is_template(&auth.basic);
                if !says || !pair {
                    let hint = "in the header authorization, without `before`: a user, a colon and a password, one of them {key}";
                    self.error(format!("{at}.basic"), format!("`{}`", auth.basic), hint);
                }
            }
            for (name, value) in &auth.beside {
                if HeaderName::from_lowercase(name.as_bytes()).is_err() || *name == auth.header || !is_template(value) {
                    let hint = "another header's name in lower case, and text with {key} or {user} where they belong";
                    self.error(format!("{at}.beside"), format!("`{name}: {value}`"), hint);
                }
            }
            let again = forms[..i].iter().any(|other| other.word() == auth.word());
            if again || (!auth.form.is_empty() && !is_word(&auth.form)) {
                let hint = "a word of its own: lower-case letters, digits and _";
                self.error(format!("{at}.form"), format!("`{}`", auth.word()), hint);
            }
        }
    }
}
