//! The fields of an event are written to the log.

use saga_core::prelude::*;

struct Signature(Vec<u8>);

#[saga_event]
struct Approved {
    by: String,
    signature: Signature,
}

fn main() {
    let approved = Approved { by: String::new(), signature: Signature(Vec::new()) };
    let _ = (approved.by, approved.signature.0);
}
