//! Why a message was refused: what the caller is told, and which rule says so.

use crate::exchange::AgentError;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident => $request:ident, $rule:literal, $text:literal;)*) => {
        /// Why a message was refused. A closed set, so that nothing of the message itself is ever told.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Reason { $($(#[$doc])* #[doc = $text] $name),* }

        impl Reason {
            /// The error of a request refused for this.
            pub fn of_request(self) -> AgentError {
                match self { $(Self::$name => AgentError::$request),* }
            }

            /// The rule it breaks.
            pub fn rule(self) -> &'static str {
                match self { $(Self::$name => $rule),* }
            }

            /// What is wrong, as a sentence's rest after "The message".
            pub fn text(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }
        }
    };
}

reasons! {
    BareLf => BadRequest, "RFC 9112 section 2.2", "ends a line with LF alone";
    BareCr => BadRequest, "RFC 9112 section 2.2", "holds a CR that no LF follows";
    Control => BadRequest, "RFC 9110 section 5.5", "holds NUL or another control byte";
    ObsFold => BadRequest, "RFC 9112 section 5.2", "folds a header over several lines";
    SpaceBeforeColon => BadRequest, "RFC 9112 section 5.1", "has a space between a header's name and its colon";
    BadName => BadRequest, "RFC 9110 section 5.1", "has a header whose name is not a token";
    BadStartLine => BadRequest, "RFC 9112 sections 3 and 4", "has a first line that is not HTTP/1";
    BadTarget => BadRequest, "RFC 9112 section 3.2", "has a target that is not a URI";
    Form => UnsupportedTarget, "RFC 9112 section 3.2", "has a target of a form that a reverse proxy does not serve";
    Version => UnsupportedVersion, "RFC 9110 section 2.5", "is of a version that is not HTTP/1.0 or HTTP/1.1";
    BadLength => BadRequest, "RFC 9112 section 6.3", "has a Content-Length that is not one decimal number";
    RepeatedLength => AmbiguousFraming, "RFC 9112 section 6.3", "gives its Content-Length more than once";
    LengthAndCoding => AmbiguousFraming, "RFC 9112 section 6.3", "has both Content-Length and Transfer-Encoding";
    CodingInOldVersion => AmbiguousFraming, "RFC 9112 section 6.1", "has a Transfer-Encoding although it is of HTTP/1.0";
    CodingNotChunked => AmbiguousFraming, "RFC 9112 section 6.3", "has a Transfer-Encoding that does not end in chunked, once";
    UnknownCoding => UnsupportedCoding, "RFC 9112 section 6.1", "has a transfer coding beside chunked";
    BadChunk => BadRequest, "RFC 9112 section 7.1", "has a malformed chunk";
    BadTrailer => BadRequest, "RFC 9112 section 7.1.2", "has a malformed trailer section";
    HeadTooLarge => HeadersTooLarge, "RFC 6585 section 5", "has a head that is larger than allowed";
    TooManyHeaders => HeadersTooLarge, "RFC 6585 section 5", "has more header lines than allowed";
    TargetTooLong => UriTooLong, "RFC 9112 section 3", "has a target that is longer than allowed";
    HeadTooSlow => RequestTimeout, "RFC 9110 section 15.5.9", "did not come whole in time";
    BodyTooSlow => UploadTimeout, "RFC 9110 section 15.5.9", "has a body that comes too slowly";
}
