//! skeleton
#[proc_macro_attribute]
/// x
pub fn saga_action(_args: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream { item }
#[proc_macro]
/// x
pub fn saga(_input: proc_macro::TokenStream) -> proc_macro::TokenStream { Default::default() }
