//! Writes the saga: its struct, and one builder call for each node with the user's own literal in it.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::visit_mut::VisitMut;
use syn::{Expr, Stmt, Type, parse_quote};

use super::ast::{Call, Form, Head, Node, Saga, Step, Tail};
use super::resolve::{Line, Wired, Wiring};
use super::structure::{impls, stored, structure};
use crate::errors::position;
use crate::names::{Read, read};

pub(super) fn expand(saga: &Saga, wired: &Wired, has_errors: bool) -> TokenStream {
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
    let durable = name.unraw().to_string();
    let place = position(name.span())
        .map_or_else(|| quote!(::core::line!()), |(line, _)| line.to_string().to_token_stream());
    let dag = local("__dag", Span::call_site());
    let body = if head.complete { body(saga, wired, &dag) } else { quote!(::core::unreachable!()) };
    // an unused name is a consequence of what is reported
    let quiet = has_errors.then(|| quote!(#[allow(unused_variables, unreachable_code)]));
    quote! {
        #structure
        const _: () = {
            #stored
            #impls
            impl #krate::Saga for #name {
                #(#types)*
                const NAME: &'static ::core::primitive::str = #durable;
                const PLACE: &'static ::core::primitive::str =
                    ::core::concat!(::core::file!(), ":", #place);
                #quiet
                fn define(#dag: &mut #krate::dag::DagBuilder<#context>) -> #krate::Ends<#output> {
                    #body
                }
            }
        };
    }
}

fn output(head: &Head) -> Type {
    head.output.clone().unwrap_or_else(|| parse_quote!(()))
}

/// A name that the user's code cannot see, at a place of the user's.
fn local(name: &str, at: Span) -> Ident {
    Ident::new(name, here(at))
}

fn here(at: Span) -> Span {
    Span::mixed_site().located_at(at)
}

fn body(saga: &Saga, wired: &Wired, dag: &Ident) -> TokenStream {
    let name = &saga.head.name;
    let params = saga.head.params.iter().map(|param| {
        let (param, text) = (&param.name, param.name.unraw().to_string());
        quote!(let #param = #dag.param(#text, |__saga: &#name| &__saga.#param);)
    });
    let lines = wired.lines.iter().map(|line| match line {
        Line::Parallel => quote!(#dag.parallel();),
        Line::Branch => quote!(#dag.branch();),
        Line::End => quote!(#dag.end();),
        Line::Node(node, wiring) => self::node(node, wiring, dag),
    });
    let tail = tail(saga, wired, dag);
    quote!(#(#params)* #(#lines)* #tail)
}

fn node(node: &Node, wiring: &Wiring, dag: &Ident) -> TokenStream {
    let (attrs, name) = (&node.attrs, &node.name);
    // a node runs for its effect too, and rustc would propose another name, which is durable
    let quiet = match node.form {
        Form::Let | Form::Bare => quote!(#[allow(unused_variables)]),
        Form::Const => quote!(#[allow(unused_variables, non_snake_case)]),
    };
    let text = name.unraw().to_string();
    let cx = local("__cx", Span::call_site());
    let broken = match &node.step {
        Step::Broken(error) => Some(error),
        _ => wiring.broken.as_ref(),
    };
    if let Some(error) = broken {
        let error = error.to_compile_error();
        return quote!(#(#attrs)* let #name = #error;);
    }
    let closure = match &node.step {
        Step::Call(call) => match &node.ty {
            None => called(call, wiring, &cx),
            Some(ty) => run(call, ty, wiring, &cx),
        },
        Step::Value(expr) => value(expr, node.ty.as_ref(), wiring, &cx),
        Step::Broken(_) => TokenStream::new(),
    };
    let wrong = wrong(wiring);
    let bindings = bindings(wiring);
    let after = &wiring.after;
    let call = match &node.step {
        Step::Value(expr) => {
            let computed = local("computed", unwrapped(expr).span());
            quote!(#dag.#computed(#text, #bindings, &[#(#after.id()),*], #closure))
        }
        // at the place of the call, so that rustc says only once of an action that it does not fit
        Step::Call(call) if after.is_empty() => {
            quote_spanned!(here(call.path.span())=> #dag.step(#text, #bindings, #closure))
        }
        Step::Call(call) => quote_spanned! {here(call.path.span())=>
            #dag.step_after(#text, #bindings, &[#(#after.id()),*], #closure)
        },
        Step::Broken(_) => TokenStream::new(),
    };
    quote! {
        #wrong
        #quiet #(#attrs)*
        let #name = #call;
    }
}

/// Declares what must not be read with an error in its place, so that rustc does not report it again.
fn wrong(wiring: &Wiring) -> TokenStream {
    let wrong = wiring.wrong.iter().map(|(name, error)| {
        let error = error.to_compile_error();
        quote!(let #name = #error;)
    });
    quote!(#(#wrong)*)
}

/// `&[("leg", &[trip.id()])]`
fn bindings(wiring: &Wiring) -> TokenStream {
    let inputs = wiring.inputs.iter().map(|(input, from)| quote!((#input, &[#(#from.id()),*])));
    quote!(&[#(#inputs),*])
}

/// `let x = x.get(cx);` for the names that cannot be replaced where they stand.
fn ahead(wiring: &Wiring, cx: &Ident) -> TokenStream {
    let reads = wiring.ahead.iter().map(|name| {
        let read = read(name, cx);
        quote!(#[allow(unused_variables)] let #name = #read;)
    });
    quote!(#(#reads)*)
}

/// The user's literal, with names replaced by what reads them.
fn literal(call: &Call, wiring: &Wiring, cx: &Ident) -> TokenStream {
    let mut inputs = call.inputs.clone();
    let mut replace = Read { names: &wiring.inside, cx };
    for input in &mut inputs {
        replace.visit_field_value_mut(input);
    }
    let mut literal = call.path.to_token_stream();
    call.brace.surround(&mut literal, |tokens| inputs.to_tokens(tokens));
    literal
}

/// A closure that ends in a future. All of it is at the place of the call: carets would else cover the
/// whole macro.
fn future(at: Span, cx: &Ident, inner: &TokenStream) -> TokenStream {
    let at = here(at);
    let mut block = Group::new(Delimiter::Brace, inner.clone());
    block.set_span(at);
    quote_spanned!(at=> move |#cx| ::std::boxed::Box::pin(async move #block))
}

/// A node whose type is what the action returns.
fn called(call: &Call, wiring: &Wiring, cx: &Ident) -> TokenStream {
    let at = call.path.span();
    let ahead = ahead(wiring, cx);
    let literal = literal(call, wiring, cx);
    let scope = Ident::new("__cx", here(at));
    let done = quote_spanned!(here(at)=> let __done = #scope.call(#literal).await; __done);
    future(at, cx, &quote!(#ahead #done))
}

/// A node whose type is written by the user and compared by rustc.
fn run(call: &Call, ty: &Type, wiring: &Wiring, cx: &Ident) -> TokenStream {
    let at = call.path.span();
    let leaf = local("__leaf", at);
    let ahead = ahead(wiring, cx);
    let literal = literal(call, wiring, cx);
    let scope = Ident::new("__cx", here(at));
    let run = quote_spanned!(here(at)=> #leaf.run(#scope, #literal).await);
    let inner = quote_spanned! {here(at)=>
        let #leaf = #scope.leaf();
        #ahead
        let __value: #ty = #run;
        #scope.done(__value, #leaf)
    };
    future(at, cx, &inner)
}

/// A computed node.
fn value(expr: &Expr, ty: Option<&Type>, wiring: &Wiring, cx: &Ident) -> TokenStream {
    let expr = unwrapped(expr);
    let at = here(expr.span());
    let ahead = ahead(wiring, cx);
    let mut expr = expr.clone();
    Read { names: &wiring.inside, cx }.visit_expr_mut(&mut expr);
    let ty = ty.map(|ty| quote!(: #ty));
    quote_spanned! {at=>
        move |#cx| {
            #ahead
            let __value #ty = #expr;
            __value
        }
    }
}

/// Without braces that hold nothing but an expression.
fn unwrapped(expr: &Expr) -> &Expr {
    match expr {
        Expr::Block(block) if block.attrs.is_empty() && block.label.is_none() => {
            match block.block.stmts.as_slice() {
                [Stmt::Expr(expr, None)] => expr,
                _ => expr,
            }
        }
        expr => expr,
    }
}

/// The last line. The output's type is compared in the node, where rustc's message is about the user's
/// types alone.
fn tail(saga: &Saga, wired: &Wired, dag: &Ident) -> TokenStream {
    let (head, wiring) = (&saga.head, &wired.tail);
    if !wired.ends || wiring.broken.is_some() {
        return quote!(::core::unreachable!());
    }
    let output = output(head);
    let cx = local("__cx", Span::call_site());
    let bindings = bindings(wiring);
    let wrong = wrong(wiring);
    let node = match &saga.tail {
        None => return quote!(#dag.ends()),
        Some(Tail::Broken) => return quote!(::core::unreachable!()),
        Some(Tail::Name(name)) => {
            let (krate, context, read) = (&head.krate, &head.context, read(name, &cx));
            let compare = quote_spanned!(here(output.span())=> let _: &#output = #read;);
            return quote! {
                let _ = |#cx: &#krate::Scope<#context>| { #compare };
                #dag.ends_at(#name)
            };
        }
        Some(Tail::Value(expr)) => {
            let closure = value(expr, Some(&output), wiring, &cx);
            quote!(#dag.computed_output::<Self, _>(#bindings, #closure))
        }
        Some(Tail::Literal(call)) => {
            let closure = literal_tail(head, call, wiring, &cx);
            let text = call.name().map(|name| name.unraw().to_string());
            quote_spanned!(here(call.path.span())=> #dag.tail(#text, #bindings, #closure))
        }
    };
    quote! {
        #wrong
        let __tail = #node;
        #dag.ends_at(__tail)
    }
}

/// A literal of a type that is an action or plain: its type tells which.
fn literal_tail(head: &Head, call: &Call, wiring: &Wiring, cx: &Ident) -> TokenStream {
    let (krate, name) = (&head.krate, &head.name);
    let output = output(head);
    let at = call.path.span();
    let ahead = ahead(wiring, cx);
    let literal = literal(call, wiring, cx);
    let scope = Ident::new("__cx", here(at));
    let inner = quote_spanned! {here(at)=>
        #ahead
        match (#literal) {
            __step => {
                #[allow(unused_imports)]
                use #krate::__private::{TailStep as _, TailValue as _};
                let __kind = (&&#krate::__private::tail::<#name, _>(&__step)).kind();
                let __shape = __kind.shape();
                let __value: #output = __kind.run(#scope, __step, &__shape).await;
                #scope.done(__value, __shape)
            }
        }
    };
    future(at, cx, &inner)
}
