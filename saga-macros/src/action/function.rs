//! Reads the function, whose body is carried along unread.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Attribute, Error, FnArg, ReturnType, Signature, Type, Visibility};

#[derive(Clone)]
pub(crate) struct Function {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    pub(crate) body: TokenStream,
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
        Ok(Self { attrs, vis, sig: ungrouped(sig), body: input.parse()? })
    }
}

/// The signature without the invisible groups around types that were passed to a macro of the user's.
fn ungrouped(mut sig: Signature) -> Signature {
    for param in &mut sig.inputs {
        if let FnArg::Typed(param) = param {
            *param.ty = ungroup(&param.ty).clone();
            if let Type::Reference(reference) = &mut *param.ty {
                // For other types, `&` binds tighter than what is in the group.
                if let Type::Path(inner) = ungroup(&reference.elem) {
                    *reference.elem = Type::Path(inner.clone());
                }
            }
        }
    }
    if let ReturnType::Type(_, ty) = &mut sig.output {
        **ty = ungroup(ty).clone();
    }
    sig
}

fn ungroup(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => ungroup(&group.elem),
        ty => ty,
    }
}

pub(crate) fn function(item: TokenStream) -> syn::Result<Function> {
    Function::parse.parse2(item)
}
