//! Inside functions and modules, with conditions and documentation.
#![deny(warnings, missing_docs, unused, rust_2018_idioms, unreachable_pub)]

mod inner {
    use saga_core::prelude::*;

    /// Documented.
    #[saga_action(no_undo)]
    #[cfg(all())]
    pub(crate) async fn visible(number: u32) -> Result<u32, String> {
        Ok(number)
    }

    #[saga_action(no_undo)]
    #[cfg(any())]
    pub(crate) async fn gone(unknown: Unknown) -> Result<u32, String> {
        Ok(number)
    }
}

fn main() {
    use saga_core::prelude::*;

    #[saga_action(undo = unlocal(number))]
    async fn local(number: u32) -> Result<u32, String> {
        Ok(number)
    }

    async fn unlocal(number: u32) -> Result<(), String> {
        let _ = number;
        Ok(())
    }

    let _ = (inner::visible { number: 1 }, local { number: 2 });
}
