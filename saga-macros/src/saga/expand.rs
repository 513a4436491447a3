//! Writes the saga: its struct, and one builder call for each node with the user's own literal in it.

use std::cell::{Cell, RefCell};

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{LitStr, Type, parse_quote};

use super::ast::{Call, Form, Head, Node, Saga, Step, Stmt, Tail};
use super::attributes::Settings;
use super::closures::{bindings, called, here, last, local, run, unwrapped, value, wrong};
use super::parts;
use super::resolve::{Line, Part, Wired};
use super::scopes::nodes_of;
use super::structure::{impls, stored, structure};
use super::wiring::Wiring;
use crate::action::{duration, retry_tokens};
use crate::errors::{Errors, position, unfinished};
use crate::names::read;

pub(super) fn expand(saga: &Saga, wired: &Wired, errors: Errors) -> TokenStream {
    let head = &saga.head;
    let Head { krate, name, context, .. } = head;
    let output = output(head);
    // each item at the place of its type, where rustc says that it is private
    let types = [("Context", context), ("Output", &output)].map(|(name, ty)| {
        let (at, name) = (here(ty.span()), Ident::new(name, ty.span()));
        quote_spanned!(at=> type #name = #ty;)
    });
    let structure = structure(head);
    let (impls, stored) = (impls(head), stored(head));
    let durable = head.durable.as_ref().map_or_else(|| name.unraw().to_string(), LitStr::value);
    let place = position(name.span())
        .map_or_else(|| quote!(::core::line!()), |(line, _)| line.to_string().to_token_stream());
    let behind = Cell::new(head.forever.then(|| head.name.clone()));
    // an unused name is a consequence of what is reported; both are of one length, for `emit_before`
    let quiet = if errors.count() > 0 { quote!(all()) } else { quote!(any()) };
    let typed = errors.emit_unfinished();
    let errors = RefCell::new(errors);
    let writer = Writer { head, dag: local("__dag", Span::call_site()), behind, errors };
    let dag = &writer.dag;
    let body = if head.complete { writer.saga(wired) } else { quote!(::core::unreachable!()) };
    // rustc reports in the order of the output
    let errors = writer.errors.into_inner().emit();
    let pivots = pivots(saga).map(|pivot| quote!(pub(super) struct #pivot;));
    let pivots = pivots.collect::<Vec<_>>();
    let pivots = (!pivots.is_empty())
        .then(|| quote!(#[allow(non_camel_case_types, dead_code)] mod __pivot { #(#pivots)* }));
    let forever = head
        .forever
        .then(|| quote!(impl<Pivot> #krate::__private::NeverGivesUp<Pivot> for #name {}));
    quote! {
        #structure
        const _: () = {
            #pivots
            #stored
            #impls
            #forever
            impl #krate::Saga for #name {
                #(#types)*
                const NAME: &'static ::core::primitive::str = #durable;
                const PLACE: &'static ::core::primitive::str =
                    ::core::concat!(::core::file!(), ":", #place);
                #[cfg_attr(#quiet, allow(unused_variables, unreachable_code))]
                fn define(#dag: &mut #krate::dag::DagBuilder<#context>) -> #krate::Ends<#output> {
                    #typed
                    #body
                }
            }
        };
        #errors
    }
}

/// What stands for the points of no return: the pivot, or the saga where its head says so.
fn pivots(saga: &Saga) -> impl Iterator<Item = &Ident> {
    let nodes = nodes_of(&saga.body).into_iter().filter(|node| node.settings.pivot.is_some());
    nodes.map(|node| &node.name).take(1).chain(saga.head.forever.then_some(&saga.head.name))
}

fn output(head: &Head) -> Type {
    head.output.clone().unwrap_or_else(|| parse_quote!(()))
}

/// Writes the calls of a builder.
pub(super) struct Writer<'a> {
    pub(super) head: &'a Head,
    pub(super) dag: Ident,
    /// Behind which node of the saga this is that is the point of no return.
    behind: Cell<Option<Ident>>,
    /// What is not reported yet.
    errors: RefCell<Errors>,
}

impl Writer<'_> {
    fn saga(&self, wired: &Wired) -> TokenStream {
        let (name, dag) = (&self.head.name, &self.dag);
        let params = self.head.params.iter().map(|param| {
            let (param, text) = (&param.name, param.name.unraw().to_string());
            quote!(let #param = #dag.param(#text, |__saga: &#name| &__saga.#param);)
        });
        let lines = self.lines(wired);
        let output = output(self.head);
        let tail = self.tail(wired, Some(&output));
        quote!(#(#params)* #lines #tail)
    }

    pub(super) fn lines(&self, wired: &Wired) -> TokenStream {
        let dag = &self.dag;
        let lines = wired.lines.iter().map(|line| match line {
            Line::Parallel => quote!(#dag.parallel();),
            Line::Branch => quote!(#dag.branch();),
            Line::End => quote!(#dag.end();),
            Line::Node(node, wiring, parts) => self.node(node, wiring, parts),
        });
        quote!(#(#lines)*)
    }

    fn node(&self, node: &Node, wiring: &Wiring, parts: &[Part]) -> TokenStream {
        let (attrs, name) = (&node.attrs, &node.name);
        let errors = self.errors.borrow_mut().emit_before(name.span());
        // a node runs for its effect too, and rustc would propose another name, which is durable
        let quiet = match node.form {
            Form::Let | Form::Last => quote!(#[allow(unused_variables)]),
            Form::Const | Form::Bare => quote!(#[allow(unused_variables, non_snake_case)]),
        };
        let broken = match &node.step {
            Step::Broken(error) => Some(error),
            _ => wiring.broken.as_ref(),
        };
        if let Some(error) = broken {
            let error = error.to_compile_error();
            return quote!(#errors #(#attrs)* let #name = #error;);
        }
        let text = name.unraw().to_string();
        let wrong = wrong(wiring);
        let ty = node.ty.as_ref();
        let call = match &node.step {
            Step::Call(call) => {
                let behind = self.behind(&node.settings);
                self.call(call, &text, ty, behind.as_ref(), wiring)
            }
            Step::Value(expr) => {
                let cx = local("__cx", Span::call_site());
                let closure = value(expr, ty, wiring, &cx);
                let (dag, bindings, after) = (&self.dag, bindings(wiring), &wiring.after);
                let computed = local("computed", unwrapped(expr).span());
                quote!(#dag.#computed(#text, #bindings, &[#(#after.id()),*], #closure))
            }
            Step::For(each) => parts::each(self, each, &text, ty, wiring, parts),
            Step::Choose(choose) => parts::choose(self, choose, &text, ty, wiring, parts),
            Step::Broken(_) => TokenStream::new(),
        };
        if node.settings.pivot.is_some() {
            self.behind.set(Some(name.clone()));
        }
        let conditions = attrs.iter().filter(|attr| attr.path().is_ident("cfg"));
        let settings = self.settings(&node.settings, name);
        let settings = settings.map(|settings| quote!(#(#conditions)* #settings));
        quote! {
            #errors
            #wrong
            #quiet #(#attrs)*
            let #name = #call;
            #settings
        }
    }

    fn call(
        &self,
        call: &Call,
        text: &str,
        ty: Option<&Type>,
        behind: Option<&TokenStream>,
        wiring: &Wiring,
    ) -> TokenStream {
        let dag = &self.dag;
        let cx = local("__cx", Span::call_site());
        let closure = match ty {
            None => called(call, behind, wiring, &cx),
            Some(ty) => run(call, ty, behind, wiring, &cx),
        };
        let (bindings, after) = (bindings(wiring), &wiring.after);
        // at the place of the call, so that rustc says only once of an action that it does not fit
        if after.is_empty() {
            return quote_spanned!(here(call.path.span())=> #dag.step(#text, #bindings, #closure));
        }
        quote_spanned! {here(call.path.span())=>
            #dag.step_after(#text, #bindings, &[#(#after.id()),*], #closure)
        }
    }

    /// The type that stands for the point of no return, behind which the action of this node must never
    /// give up.
    fn behind(&self, settings: &Settings) -> Option<TokenStream> {
        let behind = self.behind.take();
        self.behind.set(behind.clone());
        behind.filter(|_| !settings.is_forever()).map(|pivot| quote!(__pivot::#pivot))
    }

    /// What a node says beside what it runs.
    fn settings(&self, settings: &Settings, node: &Ident) -> Option<TokenStream> {
        if settings.is_empty() {
            return None;
        }
        let (krate, dag) = (&self.head.krate, &self.dag);
        let mut calls = TokenStream::new();
        if settings.pivot.is_some() {
            calls.extend(quote!(.pivot()));
        }
        if let Some(label) = &settings.label {
            calls.extend(quote!(.label(#label)));
        }
        if let Some((_, retry)) = &settings.retry {
            let retry = retry_tokens(krate, retry, 1);
            calls.extend(quote!(.retry(#retry)));
        }
        if let Some((_, timeout)) = settings.timeout {
            let timeout = duration(timeout);
            calls.extend(quote!(.timeout(#timeout)));
        }
        if let Some((_, instances)) = settings.concurrency {
            calls.extend(quote!(.concurrency(#instances)));
        }
        Some(quote!(#dag.adjust(#node, |__node| __node #calls);))
    }

    /// The last line. The output's type, if it is known, is compared in the node, where rustc's message
    /// is about the user's types alone.
    pub(super) fn tail(&self, wired: &Wired, output: Option<&Type>) -> TokenStream {
        let (wiring, dag) = (&wired.tail, &self.dag);
        if !wired.ends || wiring.broken.is_some() {
            let typed = match &wired.body.tail {
                Some(Tail::Name(name)) => Some(unfinished(quote!(let _ = #name;))),
                _ => None,
            };
            return quote!(#typed ::core::unreachable!());
        }
        // the types were compared, or are those of a body
        let ends = match output {
            Some(_) => quote!(ends_at),
            None => quote!(ends_with),
        };
        let cx = local("__cx", Span::call_site());
        let bindings = bindings(wiring);
        let wrong = wrong(wiring);
        let node = match &wired.body.tail {
            None => return quote!(#dag.ends()),
            Some(Tail::Broken) => return quote!(::core::unreachable!()),
            Some(Tail::Name(name)) => {
                let compare = output.filter(|_| !ends_in_construct(wired)).map(|output| {
                    let (krate, context) = (&self.head.krate, &self.head.context);
                    let read = read(name, &cx);
                    let compare = quote_spanned!(here(output.span())=> let _: &#output = #read;);
                    quote!(let _ = |#cx: &#krate::Scope<#context>| { #compare };)
                });
                return quote!(#compare #dag.#ends(#name));
            }
            Some(Tail::Value(expr)) => {
                let closure = value(expr, output, wiring, &cx);
                match output {
                    Some(_) => quote!(#dag.computed_output::<Self, _>(#bindings, #closure)),
                    None => {
                        let computed = local("computed", unwrapped(expr).span());
                        quote!(#dag.#computed("output", #bindings, &[], #closure))
                    }
                }
            }
            Some(Tail::Literal(call, settings)) => {
                let behind = self.behind(settings);
                let closure = last(self.head, call, output, behind.as_ref(), wiring, &cx);
                let text = call.name().map(|name| name.unraw().to_string());
                quote_spanned!(here(call.path.span())=> #dag.tail(#text, #bindings, #closure))
            }
        };
        let tail = local("__tail", Span::call_site());
        let settings = match &wired.body.tail {
            Some(Tail::Literal(_, settings)) => self.settings(settings, &tail),
            _ => None,
        };
        quote! {
            #wrong
            let #tail = #node;
            #settings
            #dag.#ends(#tail)
        }
    }
}

/// A `for`, `if` or `match` on the last line: its type is compared there.
fn ends_in_construct(wired: &Wired) -> bool {
    matches!(wired.body.stmts.last(), Some(Stmt::Node(node)) if node.form == Form::Last)
}
