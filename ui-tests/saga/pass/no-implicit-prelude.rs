//! Without the prelude: expansions name everything by its full path.
#![no_implicit_prelude]
#![deny(warnings, missing_docs, unused, rust_2018_idioms, unreachable_pub)]

mod actions {
    use ::saga_core::ActionContext;
    use ::saga_core::saga_action;
    use ::std::result::Result::{self, Ok};
    use ::std::string::String;
    use ::ui_tests::types::{Agency, PaymentError};

    #[saga_action(
        undo = unset(output?, text),
        retry(max = 2, when = PaymentError::is_ambiguous),
        in_doubt = PaymentError::is_ambiguous,
        label = "x",
        timeout = "1s"
    )]
    pub(crate) async fn set(_cx: &ActionContext<Agency>, text: &str) -> Result<u32, PaymentError> {
        let _ = text;
        Ok(1)
    }

    async fn unset(
        _cx: &ActionContext<Agency>,
        output: ::std::option::Option<&u32>,
        text: &str,
    ) -> Result<(), String> {
        let _ = (output, text);
        Ok(())
    }
}

::saga_core::saga! {
    Plain<::ui_tests::types::Agency>(name: ::std::string::String) -> u32 {
        let a: u32 = actions::set { text: name };
        let b = { *a + 1 };
        parallel {
            let _c = actions::set { text: &::std::format!("{name} {b}") };
            #[after(_c)]
            actions::set { text: "y" };
        }
        { *a + *b }
    }

    Other<::ui_tests::types::Agency>(_name: ::std::string::String) -> ::ui_tests::types::Quote {
        ::ui_tests::types::Quote { cents: 1 }
    }
}

fn main() {
    let _ = ::std::clone::Clone::clone(&Plain { name: ::std::string::String::new() });
    let _ = Other { _name: ::std::string::String::new() };
    // what the names of Rust mean to the user is of no concern to the expansions
    let _ = shadowed::dag;
}

#[allow(non_camel_case_types, dead_code, missing_docs)]
mod shadowed {
    struct Result;
    struct Option;
    struct Box;
    struct Send;
    mod core {}
    mod std {}
    mod saga_core {}

    #[::saga_core::saga_action(undo = un(), in_doubt = certain)]
    async fn act() -> ::std::result::Result<(), ::std::string::String> {
        ::std::result::Result::Ok(())
    }

    async fn un() -> ::std::result::Result<(), ::std::string::String> {
        ::std::result::Result::Ok(())
    }

    fn certain(_: &::std::string::String) -> ::core::primitive::bool {
        false
    }

    ::saga_core::saga! {
        pub(crate) Shadowed<()>() {
            act {};
        }
    }

    pub(crate) fn dag() -> ::std::option::Option<::saga_core::dag::Dag<()>> {
        ::saga_core::dag::Dag::of::<Shadowed>().ok()
    }
}
