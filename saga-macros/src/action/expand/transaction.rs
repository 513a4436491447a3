//! Writes a call of the user's function in a transaction, on the thread that writes the log.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;

use super::attempt::given_context;
use super::local;
use crate::action::check::{Action, Input};
use crate::action::transaction::{Passed, Transaction};

/// What is passed to a function after the transaction, and where rustc says that it does not fit.
pub(crate) struct Argument<'a> {
    pub(crate) at: Span,
    /// None for the output of the action, which its undo gets.
    pub(crate) input: Option<&'a Input>,
}

/// A future that calls the action in a transaction.
pub(crate) fn call_action(action: &Action, transaction: &Transaction) -> TokenStream {
    let at = Span::call_site().located_at(action.output.span);
    let inputs = action.inputs.iter().map(|input| Argument { at, input: Some(input) });
    let call = Call { action, transaction, at };
    call.write(&action.function.sig.ident, &inputs.collect::<Vec<_>>(), |returned| returned)
}

/// A future that calls the undo `function` in a transaction.
pub(crate) fn call_undo(
    action: &Action,
    transaction: &Transaction,
    function: &Ident,
    arguments: &[Argument<'_>],
) -> TokenStream {
    let (krate, at) = (&action.krate, function.span());
    let call = Call { action, transaction, at };
    call.write(
        function,
        arguments,
        |returned| quote_spanned!(at=> #krate::__private::undone(#krate::bounds::UndoReturn::undone(#returned))),
    )
}

struct Call<'a> {
    action: &'a Action,
    transaction: &'a Transaction,
    at: Span,
}

impl Call<'_> {
    fn write(
        &self,
        function: &Ident,
        arguments: &[Argument<'_>],
        result: impl FnOnce(TokenStream) -> TokenStream,
    ) -> TokenStream {
        let (krate, at) = (&self.action.krate, self.at);
        let is_async = self.transaction.is_async;
        // Where rustc says that the type of the user's is no transaction.
        let here = Span::call_site().located_at(self.transaction.ty.span());
        let (tx, cx) = (local("__tx", here), local("__cx", at));
        let (of, run) = match is_async {
            true => (quote_spanned!(here=> #krate::bounds::TakesPostgres), quote!(postgres)),
            false => (quote_spanned!(here=> #krate::bounds::TakesSqlite), quote!(sqlite)),
        };
        let given = quote_spanned!(here=> <_ as #of>::of(#tx));
        // The context of the step is borrowed, and the transaction runs on another thread.
        let context = given_context(self.action, at);
        let own = context
            .as_ref()
            .map(|_| quote!(let __own = #krate::__private::inside_transaction(#cx);));
        let lend = context.as_ref().map(|_| quote!(let #cx = &__own;));
        let (mut copies, mut lends) = (TokenStream::new(), TokenStream::new());
        let mut given_names = Vec::new();
        for (i, argument) in arguments.iter().enumerate() {
            let name = format_ident!("__given{i}", span = argument.at);
            let (copied, lent) = self.argument(argument.input, &format_ident!("__copy{i}"));
            copies.extend(copied);
            lends.extend(quote!(let #name = #lent;));
            given_names.push(name);
        }
        let called = quote_spanned!(at=> #function(#context #given #(, #given_names)*));
        let called = if is_async { quote_spanned!(at=> #called.await) } else { called };
        let called = result(called);
        let work = match is_async {
            true => quote_spanned!(at=> async move |#tx| { #lend #lends #called }),
            false => quote_spanned!(at=> move |#tx| { #lend #lends #called }),
        };
        quote_spanned! {at=> {
            #own
            #copies
            #krate::__private::#run(#cx, #work)
        }}
    }

    /// How an argument is copied, and how the copy is passed.
    fn argument(&self, input: Option<&Input>, copy: &Ident) -> (TokenStream, TokenStream) {
        let krate = &self.action.krate;
        let Some(input) = input else {
            // The output is shared, so it need not be copied.
            let made = quote!(let #copy = ::core::clone::Clone::clone(__output););
            let output = quote!(<Self as #krate::typed::Typed>::Output);
            let used = quote! {
                match #krate::__private::output::<#output>(&#copy) {
                    ::core::option::Option::Some(__given) => __given,
                    ::core::option::Option::None => {
                        return ::core::result::Result::Err(#krate::__private::missing_output());
                    }
                }
            };
            return (made, used);
        };
        let (name, ty) = (&input.name, &input.ty);
        let at = Span::call_site().located_at(ty.span());
        let trait_of = |ty: &dyn ToTokens| {
            let ty = ty.to_token_stream();
            quote_spanned!(at=> <#ty as #krate::bounds::TransactionInput>)
        };
        match Passed::of(ty) {
            Passed::Reference(inner) => {
                let of = trait_of(inner);
                (
                    quote_spanned!(at=> let #copy = #of::copied(self.#name);),
                    quote_spanned!(at=> #of::lent(&#copy)),
                )
            }
            Passed::Optional(inner) => {
                let of = trait_of(inner);
                (
                    quote_spanned!(at=> let #copy = self.#name.map(#of::copied);),
                    quote_spanned!(at=> #copy.as_ref().map(|__copy| #of::lent(__copy))),
                )
            }
            Passed::Owned => (quote!(let #copy = self.#name;), quote!(#copy)),
        }
    }
}
