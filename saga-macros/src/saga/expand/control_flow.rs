//! Writes `for`, `if`, `match`, `try` and `select`: a closure that decides, which contains the user's own construct so that
//! rustc checks it, and a closure for each body, which declares its nodes.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, Type};

use super::closures::race as race_of;
use super::nodes::Writer;
use super::reads::{ahead, bindings, bound, expr, mutable, pattern, used};
use super::spans::{block, here, local};
use crate::saga::ast::{ArmTest, Body, Choice, ForLoop, NodeForm, Stmt, Tail};
use crate::saga::resolve::InnerBody;
use crate::saga::resolve::binders::{Binder, awaited, item};
use crate::saga::resolve::wiring::Wiring;

/// `for PAT in EXPR { .. }`
pub(crate) fn for_loop(
    writer: &Writer,
    for_loop: &ForLoop,
    text: &str,
    ty: Option<&Type>,
    wiring: &Wiring,
    bodies: &[InnerBody],
) -> TokenStream {
    let Some(inner) = bodies.first() else { return TokenStream::new() };
    let Binder::For(pat, items, number) = inner.binder else { return TokenStream::new() };
    let (dag, cx) = (&writer.dag, local("__cx", Span::call_site()));
    let (bindings, after, ahead) = (bindings(wiring), &wiring.after, ahead(wiring, &cx));
    let (body, item) = (declared(writer, inner, true), item(number));
    let used = used(&variables(inner));
    let (items_at, pat) = (items.span(), pattern(pat, wiring));
    let items = expr(items, wiring, &cx);
    let list = local("list", items_at);
    let keyword = Ident::new("for", for_loop.keyword);
    // The loop never runs: it lets rustc check the pattern. Temporaries in the list's expression live as long
    // as the `match`.
    let width = quote! {
        match #cx.#list(#items, ::core::option::Option::None) {
            __list => {
                #keyword #pat in __list.none() { #used }
                __list.count()
            }
        }
    };
    let width = bound(wiring, &cx, mutable([&inner.binder], width));
    let width = quote!(move |#cx| { #ahead #width });
    let node = quote_spanned! {here(for_loop.keyword)=>
        #dag.for_width(#text, #bindings, &[#(#after.id()),*], #width, |#dag, #item| { #body })
    };
    match ty {
        Some(ty) => as_type(node, ty, for_loop.keyword),
        None => node,
    }
}

/// `if`, `match`, `try` or `select`
pub(crate) fn choice(
    writer: &Writer,
    choice: &Choice,
    text: &str,
    ty: Option<&Type>,
    wiring: &Wiring,
    bodies: &[InnerBody],
) -> TokenStream {
    let (dag, cx) = (&writer.dag, local("__cx", Span::call_site()));
    let (bindings, after, ahead) = (bindings(wiring), &wiring.after, ahead(wiring, &cx));
    let arms = (0..bodies.len()).map(|k| local(&format!("__arm{k}"), Span::call_site()));
    let arms = arms.collect::<Vec<_>>();
    // These are placed where an arm gives its value, because rustc's caret starts at the name.
    let likes = choice.arms.iter().enumerate();
    let likes = likes.map(|(k, arm)| local(&format!("__like{k}"), end(&arm.body)));
    let likes = likes.collect::<Vec<_>>();
    let declared = bodies.iter().zip(&choice.arms).map(|(inner, arm)| {
        let nodes = || declared(writer, inner, bodies.len() == 1);
        match arm.test {
            // behind the pivot too: its failure leads to the `else`, or to a value
            ArmTest::Try => writer.may_fail(nodes),
            ArmTest::If(_) | ArmTest::Else | ArmTest::Case(..) | ArmTest::Wait(..) => nodes(),
        }
    });
    if choice.is_try() {
        let compare = compared(choice, &likes, ty);
        let end =
            Ident::new(if choice.is_total() { "try_else" } else { "try_result" }, choice.keyword);
        let node = quote! {{
            #(let (#arms, #likes) = #dag.arm(|#dag| { #declared });)*
            #dag.#end(#text, &[#(#after.id()),*], ::std::vec![#(#arms),*], #compare)
        }};
        return match ty.filter(|_| !choice.is_total()) {
            Some(ty) => as_type(node, ty, choice.keyword),
            None => node,
        };
    }
    if choice.is_select() {
        let declared = declared.collect::<Vec<_>>();
        let compare = compared(choice, &likes, ty);
        let arms = SelectArms { names: &arms, likes: &likes, declared: &declared };
        return select(writer, choice, text, wiring, bodies, &arms, &compare);
    }
    let which = which(choice, wiring, &cx, bodies);
    let which = bound(wiring, &cx, mutable(bodies.iter().map(|inner| &inner.binder), which));
    let compare = compared(choice, &likes, ty);
    let node = quote! {{
        #(let (#arms, #likes) = #dag.arm(|#dag| { #declared });)*
        #dag.choose_arm(
            #text,
            #bindings,
            &[#(#after.id()),*],
            move |#cx| { #ahead #which },
            ::std::vec![#(#arms),*],
            #compare,
        )
    }};
    match ty.filter(|_| !choice.is_total()) {
        Some(ty) => as_type(node, ty, choice.keyword),
        None => node,
    }
}

/// The arms of a `select`, as they are declared.
struct SelectArms<'a> {
    names: &'a [Ident],
    likes: &'a [Ident],
    declared: &'a [TokenStream],
}

/// `select`: the waits, the arms, and the choice between them.
fn select(
    writer: &Writer,
    choice: &Choice,
    text: &str,
    wiring: &Wiring,
    bodies: &[InnerBody],
    arms: &SelectArms,
    compare: &TokenStream,
) -> TokenStream {
    let (dag, after) = (&writer.dag, &wiring.after);
    let (cx, race) = (local("__cx", Span::call_site()), local("__race", Span::call_site()));
    let SelectArms { names, likes, declared } = arms;
    let (mut waits, mut cases, mut any) = (TokenStream::new(), TokenStream::new(), None);
    for (k, (arm, inner)) in choice.arms.iter().zip(bodies).enumerate() {
        let (ArmTest::Wait(_, call), Binder::Wait(pat, number)) = (&arm.test, inner.binder) else {
            continue;
        };
        let awaited = awaited(number);
        let (bindings, closure) = (bindings(&inner.wait), race_of(call, &inner.wait, &cx));
        // All of it is at the place of the call, so that rustc reports a wait that does not fit only once.
        let wait = quote_spanned!(here(call.path.span())=> #race.arm(#bindings, #closure));
        waits.extend(quote!(let #awaited = #wait;));
        let (used, pat) = (used(&variables(inner)), pattern(pat, wiring));
        let binds = quote!({ #awaited.bind(#cx, |#pat| { #used }); #k });
        let binds = mutable([&inner.binder], binds);
        cases.extend(quote!(#k => #binds,));
        any.get_or_insert(awaited);
    }
    quote! {{
        let mut #race = #dag.begin_select(#text);
        #waits
        #(let (#names, #likes) = #dag.arm(|#dag| { #declared });)*
        #dag.end_select(
            #race,
            &[#(#after.id()),*],
            move |#cx| match #any.first(#cx) {
                #cases
                _ => #cx.wrong_arm(),
            },
            ::std::vec![#(#names),*],
            #compare,
        )
    }}
}

/// The node, with a type that the user wrote and rustc compares.
fn as_type(node: TokenStream, ty: &Type, at: Span) -> TokenStream {
    let name = local("__node", at);
    let like = like(name.to_token_stream(), at);
    quote! {{
        let #name = #node;
        let _ = || -> #ty { #like };
        #name
    }}
}

/// The nodes of a body; `alone` if no other body tells the type of its value.
fn declared(writer: &Writer, inner: &InnerBody, alone: bool) -> TokenStream {
    let (lines, dag) = (writer.lines(&inner.wired), &writer.dag);
    let wrong = match (&inner.wired.body.broken, alone) {
        // An error has any type.
        (Some(error), _) => {
            let error = error.to_compile_error();
            quote!((#error))
        }
        (None, true) => quote!(#dag.ends()),
        (None, false) => quote!(::core::unreachable!()),
    };
    let tail = writer.tail(&inner.wired, None, wrong);
    quote!(#lines #tail)
}

/// The variables that a body reads, in the order in which its pattern binds them.
fn variables<'a>(inner: &'a InnerBody) -> Vec<&'a Ident> {
    inner.variables.iter().filter(|name| inner.used.contains(&name.to_string())).collect()
}

/// The user's own `if` or `match`, which evaluates to the number of the arm.
fn which(choice: &Choice, wiring: &Wiring, cx: &Ident, bodies: &[InnerBody]) -> TokenStream {
    let number = |k: usize| match choice.is_total() {
        true => quote!(#k),
        false => quote!(::core::option::Option::Some(#k)),
    };
    let Some((on, brace)) = &choice.on else {
        let mut tokens = TokenStream::new();
        for (k, (arm, inner)) in choice.arms.iter().zip(bodies).enumerate() {
            let (used, number) = (used(&variables(inner)), number(k));
            let inner = block(arm.body.at, quote!(#used #number));
            if let ArmTest::If(condition) = &arm.test {
                let keyword = Ident::new("if", here(choice.keyword));
                let condition = expr(condition, wiring, cx);
                tokens.extend(quote!(#keyword #condition #inner else));
            } else {
                tokens.extend(quote!(#inner));
            }
        }
        if !choice.is_total() {
            tokens.extend(quote!({ ::core::option::Option::None }));
        }
        return tokens;
    };
    let on = expr(on, wiring, cx);
    let cases = choice.arms.iter().zip(bodies).enumerate().map(|(k, (arm, inner))| {
        let ArmTest::Case(pat, guard) = &arm.test else { return TokenStream::new() };
        let guard = guard.as_ref().map(|guard: &Expr| expr(guard, wiring, cx));
        let guard = guard.map(|guard| quote!(if #guard));
        let (used, number) = (used(&variables(inner)), number(k));
        let pat = pattern(pat, wiring);
        quote!(#pat #guard => { #used #number })
    });
    let mut tokens = quote_spanned!(choice.keyword=> match #on);
    brace.surround(&mut tokens, |tokens| tokens.extend(quote!(#(#cases)*)));
    tokens
}

/// A closure that never runs, in which rustc compares the types of the arms.
fn compared(choice: &Choice, likes: &[Ident], ty: Option<&Type>) -> TokenStream {
    let at = choice.keyword;
    let values = likes
        .iter()
        .zip(&choice.arms)
        .map(|(name, arm)| like(quote!(#name), end(&arm.body)))
        .collect::<Vec<_>>();
    let value = match (choice.on.is_some() || choice.is_select(), values.as_slice()) {
        (true, values) => {
            let last = values.len().saturating_sub(1);
            let arms = values.iter().enumerate().map(|(k, value)| match k == last {
                true => quote!(_ => #value,),
                false => quote!(#k => #value,),
            });
            let arms = block(at, quote!(#(#arms)*));
            quote_spanned!(here(at)=> match 0usize #arms)
        }
        (false, values) => {
            let mut tokens = TokenStream::new();
            for (k, value) in values.iter().enumerate() {
                let value = block(at, value.clone());
                let first = k + 1 < values.len();
                let test = first.then(|| quote_spanned!(here(at)=> if #k == 0usize));
                let otherwise = first.then(|| quote_spanned!(here(at)=> else));
                tokens.extend(quote!(#test #value #otherwise));
            }
            tokens
        }
    };
    // Without `else`, the type is that of an `Option`, and is compared later.
    match ty.filter(|_| choice.is_total()) {
        None => quote!(|| #value),
        Some(ty) => quote!(|| -> #ty { #value }),
    }
}

/// A value of the type that a body returns, in code that never runs.
fn like(of: TokenStream, at: Span) -> TokenStream {
    quote_spanned!(here(at)=> #of.like())
}

/// Where a body gives its value.
fn end(body: &Body) -> Span {
    match &body.tail {
        Some(Tail::Literal(call, _)) => call.path.span(),
        Some(Tail::Name(name)) => {
            let last = body.stmts.last().and_then(Stmt::node);
            let last = last.filter(|node| node.form == NodeForm::Last);
            last.map_or_else(|| name.span(), |node| node.name.span())
        }
        Some(Tail::Value(expr)) => expr.span(),
        Some(Tail::Broken) | None => body.at,
    }
}
