//! Reads the function. Its body is carried along unread.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Attribute, Error, Signature, Visibility};

pub(super) struct Function {
    pub(super) attrs: Vec<Attribute>,
    pub(super) vis: Visibility,
    pub(super) sig: Signature,
    pub(super) body: TokenStream,
}

impl Parse for Function {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let rest = input.fork();
        let sig = match input.parse::<Signature>() {
            Ok(sig) => sig,
            Err(error) => {
                let tokens = rest.parse::<TokenStream>()?;
                let function = tokens.clone().into_iter().any(|token| token.to_string() == "fn");
                let keyword = tokens.into_iter().next().map(ToTokens::into_token_stream);
                return Err(if function {
                    error
                } else {
                    Error::new_spanned(keyword, "`#[saga_action]` goes on an `async fn`")
                });
            }
        };
        Ok(Self { attrs, vis, sig, body: input.parse()? })
    }
}

pub(super) fn function(item: TokenStream) -> syn::Result<Function> {
    Function::parse.parse2(item)
}
