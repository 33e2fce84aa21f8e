//! Panics, told without what they quote.
//!
//! A panic's message may hold what was being read: slicing a text at the wrong byte prints the text. So the place is
//! told, and the message only where it is a literal of the program.

use std::any::Any;
use std::panic::PanicHookInfo;

const HIDDEN: &str = "not shown, as it may quote what was being read";

/// From now on a panic of any thread is one line of the agent's own log.
pub(super) fn tell_without_content() {
    std::panic::set_hook(Box::new(tell));
}

fn tell(info: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let (thread, reason) = (thread.name().unwrap_or_default(), literal(info.payload()));
    tracing::error!(thread, place, reason, "a thread panicked: this is a defect");
}

fn literal(payload: &(dyn Any + Send)) -> &'static str {
    payload.downcast_ref::<&'static str>().copied().unwrap_or(HIDDEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(panics: fn()) -> &'static str {
        literal(&*std::panic::catch_unwind(panics).expect_err("a panic"))
    }

    #[test]
    fn only_literals_are_shown() {
        assert_eq!(reason(|| panic!("a lane is missing")), "a lane is missing");
        assert_eq!(reason(|| drop("Zoé Quibblewick"[..std::hint::black_box(3)].to_owned())), HIDDEN);
        assert_eq!(reason(|| panic!("{} is missing", std::hint::black_box("zoe@example.org"))), HIDDEN);
    }
}
