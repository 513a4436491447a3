//! `saga_core` under another name: `crate = path` on the action, `#[saga(crate = path)]` on the saga.
#![deny(warnings, missing_docs, unused, rust_2018_idioms, unreachable_pub)]

mod vendor {
    pub(crate) use saga_core as engine;
}

mod inner {
    use crate::vendor::engine::{saga, saga_action};

    #[saga_action(no_undo, crate = crate::vendor::engine)]
    pub(crate) async fn act(n: u32) -> Result<u32, String> {
        Ok(n)
    }

    saga! {
        #[saga(crate = crate::vendor::engine)]
        pub(crate) Renamed<()>(n: u32) -> u32 {
            let a = act { n: *n };
            act { n: *a }
        }
    }
}

fn main() {
    let _ = inner::Renamed { n: 1 };
    let _ = inner::act { n: 1 };
}
