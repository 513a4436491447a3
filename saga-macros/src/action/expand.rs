//! Writes the function as it was, the struct of its inputs, and what the runtime calls.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, FnArg, ReturnType, Signature, parse_quote};

use super::arguments::Undo;
use super::check::Action;
use super::context::{Context, is_context};
use super::return_type::Returned;
use super::spec::spec;
use crate::cfg_combinations::condition;
use crate::errors::{Errors, said_once};
use crate::fresh_names::Taken;

pub(crate) fn expand(action: &Action, errors: Errors) -> TokenStream {
    let function = &action.function;
    let (attrs, vis, sig, body) = (&function.attrs, &function.vis, &function.sig, &function.body);
    let cfgs = attrs.iter().filter(|attr| condition(attr).is_some()).collect::<Vec<_>>();
    let errors = errors.emit();
    let errors = (!errors.is_empty()).then(|| quote!(#(#cfgs)* #errors));
    let inputs = inputs(action, &cfgs);
    let typed = typed(action);
    let step = step(action);
    let sig = named_twice(sig);
    quote! {
        #(#attrs)* #vis #sig #body
        #errors
        #inputs
        #(#cfgs)*
        const _: () = {
            #typed
            #step
        };
    }
}

/// The signature, of which some types stand in the implementation too.
fn named_twice(sig: &Signature) -> Signature {
    let mut sig = sig.clone();
    let context = sig.inputs.first_mut().filter(|param| is_context(param));
    if let Some(FnArg::Typed(param)) = context {
        said_once(&mut param.ty);
    }
    if let ReturnType::Type(_, ty) = &mut sig.output {
        said_once(ty);
    }
    sig
}

/// The struct. After the function, which is what rustc names when a name is used twice.
fn inputs(action: &Action, cfgs: &[&Attribute]) -> TokenStream {
    let (vis, name) = (&action.function.vis, &action.function.sig.ident);
    let generics = &action.generics;
    let clause = &generics.where_clause;
    let Lifetimes { declared, .. } = Lifetimes::of(action);
    let declared = angled(&declared);
    let doc = format!("The inputs of the action [`{name}()`].");
    let fields = action.inputs.iter().map(|input| {
        let (name, ty) = (&input.name, &input.ty);
        let doc = format!("The parameter `{name}`.");
        quote!(#[doc = #doc] #vis #name: #ty)
    });
    // where rustc says that the name is used twice
    let at = Span::call_site().located_at(name.span());
    let keyword = Ident::new("struct", at);
    let fields = braces(at, quote!(#(#fields),*));
    quote! {
        #(#cfgs)*
        #[doc = #doc]
        #[allow(non_camel_case_types, non_snake_case, dead_code)]
        #vis #keyword #name #declared #clause #fields
    }
}

/// The lifetimes of the struct, declared, used, and replaced by `'static`.
struct Lifetimes {
    declared: Vec<TokenStream>,
    used: Vec<TokenStream>,
}

impl Lifetimes {
    fn of(action: &Action) -> Self {
        let generics = &action.generics;
        let elided = action.elided.iter().map(ToTokens::to_token_stream);
        let declared = generics.lifetimes().map(ToTokens::to_token_stream).chain(elided.clone());
        let used = generics.lifetimes().map(|l| l.lifetime.to_token_stream()).chain(elided);
        Self { declared: declared.collect(), used: used.collect() }
    }
}

fn angled(list: &[TokenStream]) -> Option<TokenStream> {
    (!list.is_empty()).then(|| quote!(<#(#list),*>))
}

fn typed(action: &Action) -> TokenStream {
    let (krate, name) = (&action.krate, &action.function.sig.ident);
    let clause = &action.generics.where_clause;
    let Lifetimes { declared, used } = Lifetimes::of(action);
    let (declared, used) = (angled(&declared), angled(&used));
    // each item at the place of its type, where rustc says that it is private
    let item = |name: &str, returned: &Returned| {
        let (at, ty) = (Span::call_site().located_at(returned.span), &returned.ty);
        let name = Ident::new(name, at);
        quote_spanned!(at=> type #name = #ty;)
    };
    let (output, error) = (item("Output", &action.output), item("Error", &action.error));
    let implementation = quote!(#declared #krate::typed::Typed);
    implement(name, implementation, quote!(#used #clause), quote!(#output #error))
}

fn step(action: &Action) -> TokenStream {
    let (krate, name) = (&action.krate, &action.function.sig.ident);
    let mut generics = action.generics.clone();
    let Lifetimes { mut declared, used } = Lifetimes::of(action);
    let statics = used.iter().map(|_| quote!('static)).collect::<Vec<_>>();
    let (used, statics) = (angled(&used), angled(&statics));
    let mut check = TokenStream::new();
    let any = taken(action).free("C");
    let any_context = quote!(#any: ::core::marker::Send + ::core::marker::Sync + 'static);
    let context = match &action.context {
        Some(Context::Plain(user)) => user.to_token_stream(),
        Some(Context::Alias(alias)) => {
            check = quote_spanned! {alias.span()=>
                const _: fn() = #krate::bounds::assert_context::<#alias>;
            };
            let of = quote!(#krate::bounds::ContextOf<#any>);
            generics.make_where_clause().predicates.push(parse_quote!(#alias: #of));
            declared.push(any_context);
            any.to_token_stream()
        }
        None => {
            declared.push(any_context);
            any.to_token_stream()
        }
    };
    let declared = angled(&declared);
    let (cx, op) = (local("__cx", Span::call_site()), local("__op", Span::call_site()));
    let body = body(action, &cx, &op);
    let spec = spec(action, &context);
    // where a future that is not `Send` is reported
    let go = quote_spanned! {Span::call_site().located_at(name.span())=>
        fn go(self, #cx: &#krate::ActionContext<#context>, #op: &#krate::typed::StepCall)
            -> impl ::core::future::Future<Output = #krate::typed::StepResult> + ::core::marker::Send
        {
            #body
        }
    };
    let clause = &generics.where_clause;
    let forever = forever(action);
    let items = quote! {
        type Static = #name #statics;
        #go
        #spec
    };
    let implementation = quote!(#declared #krate::typed::Step<#context>);
    let implementation = implement(name, implementation, quote!(#used #clause), items);
    quote!(#check #forever #implementation)
}

/// `impl <..> Trait for name <..> { items }`, which rustc says to be at the name where there are two actions of
/// one name.
fn implement(
    name: &Ident,
    implementation: TokenStream,
    rest: TokenStream,
    items: TokenStream,
) -> TokenStream {
    let at = Span::call_site().located_at(name.span());
    let keyword = Ident::new("impl", at);
    let mut name = name.clone();
    name.set_span(at);
    let items = braces(at, items);
    quote!(#keyword #implementation for #name #rest #items)
}

fn braces(at: Span, inner: TokenStream) -> Group {
    let mut group = Group::new(Delimiter::Brace, inner);
    group.set_span(at);
    group
}

/// That it can stand behind a point of no return.
fn forever(action: &Action) -> Option<TokenStream> {
    action.args.retry.as_ref().filter(|retry| retry.forever)?;
    let (krate, name) = (&action.krate, &action.function.sig.ident);
    let Lifetimes { declared, used } = Lifetimes::of(action);
    let (declared, used) = (angled(&declared), angled(&used));
    let clause = &action.generics.where_clause;
    let implementation = quote!(#declared #krate::typed::NeverGivesUp);
    Some(implement(name, implementation, quote!(#used #clause), TokenStream::new()))
}

/// The names that stand in what we write of the user's.
fn taken(action: &Action) -> Taken {
    let args = &action.args;
    let when = args.retry.as_ref().and_then(|retry| retry.when.as_ref());
    let undo = args.undo.as_ref().map(|undo| &undo.path);
    let taken = Taken::default().by(&action.function.sig).by(&action.krate);
    taken.by(when).by(undo).by(&args.in_doubt)
}

/// A name of ours at a place of the user's, for messages about it.
fn local(name: &str, at: Span) -> Ident {
    Ident::new(name, Span::call_site().located_at(at))
}

fn body(action: &Action, cx: &Ident, op: &Ident) -> TokenStream {
    let krate = &action.krate;
    let act = act(action, cx);
    let undo = match action.args.undo.as_ref().filter(|_| action.undoable) {
        Some(undo) => call_undo(action, undo),
        None => quote!({ let _ = __output; #krate::typed::Attempt::undone() }),
    };
    quote! {
        match #op {
            #krate::typed::StepCall::Do => #act,
            #krate::typed::StepCall::Undo(__output) => #undo,
        }
    }
}

fn act(action: &Action, cx: &Ident) -> TokenStream {
    let (krate, name) = (&action.krate, &action.function.sig.ident);
    if !action.callable {
        return quote!({ let _ = #cx; #krate::typed::Attempt::<Self, _, _>::broken() });
    }
    let cx = given_context(action, cx.span());
    let inputs = action.inputs.iter().map(|input| &input.name);
    let call = quote_spanned! {Span::call_site().located_at(action.output.span)=>
        #name(#cx #(self.#inputs),*)
    };
    let rules = error_rules(action);
    quote! {{
        // of a deprecated action those are warned who name it
        #[allow(deprecated)]
        let __call = #call;
        #krate::typed::Attempt::<Self, _, _>::action(__call, #rules)
    }}
}

/// What becomes of its error.
fn error_rules(action: &Action) -> TokenStream {
    let krate = &action.krate;
    let at = Span::call_site().located_at(action.error.span);
    let payload = quote_spanned! {at=> {
        #[allow(unused_imports)]
        use #krate::__private::NoPayload as _;
        #krate::__private::Payload::<<Self as #krate::typed::Typed>::Error>::OF
    }};
    let in_doubt = action.args.in_doubt.as_ref();
    let when = action.args.retry.as_ref().and_then(|retry| retry.when.as_ref());
    let predicate = |path: &syn::Path| {
        let at = Span::call_site().located_at(path.span());
        let error = local("__error", path.span());
        quote_spanned!(at=> { let __says: ::core::primitive::bool = #path(#error); __says })
    };
    let judge = match (in_doubt, when) {
        (None, None) => quote!(#krate::__private::plain_error),
        _ => {
            let in_doubt = in_doubt.map_or_else(|| quote!(false), predicate);
            let retryable = when.map_or_else(|| quote!(true), predicate);
            let error = local("__error", action.error.span);
            quote!(|#error: &<Self as #krate::typed::Typed>::Error| (#in_doubt, #retryable))
        }
    };
    quote!(#krate::__private::ErrorRules { payload: #payload, judge: #judge })
}

/// How many parameters of an undo are counted before it is called; of more, rustc says what is wrong.
const MOST_CHECKED: usize = 8;

/// The types of what the undo is given.
fn given_types(action: &Action, undo: &Undo) -> Vec<TokenStream> {
    let krate = &action.krate;
    let context = action.context.as_ref().map(|context| match context {
        Context::Plain(user) => quote!(&#krate::ActionContext<#user>),
        Context::Alias(alias) => quote!(&#alias),
    });
    let output = quote!(<Self as #krate::typed::Typed>::Output);
    let inputs = undo.inputs.iter().map(|given| {
        if given.name == "output" {
            return match given.maybe {
                true => quote!(::core::option::Option<&#output>),
                false => quote!(&#output),
            };
        }
        let input = action.inputs.iter().find(|input| input.name == given.name);
        input.map_or_else(|| quote!(()), |input| input.ty.to_token_stream())
    });
    context.into_iter().chain(inputs).collect()
}

/// The first argument of the action and its undo, if they take the context.
fn given_context(action: &Action, at: Span) -> Option<TokenStream> {
    let (krate, cx) = (&action.krate, local("__cx", at));
    Some(match action.context.as_ref()? {
        Context::Plain(_) => quote!(#cx,),
        Context::Alias(alias) => {
            quote_spanned!(cx.span()=> <#alias as #krate::bounds::ContextOf<_>>::of(#cx),)
        }
    })
}

fn call_undo(action: &Action, undo: &Undo) -> TokenStream {
    let krate = &action.krate;
    let path = &undo.path;
    let at = Span::call_site().located_at(path.span());
    let cx = given_context(action, at);
    let inputs = undo.inputs.iter().map(|input| {
        let name = &input.name;
        let here = Span::call_site().located_at(name.span());
        if name == "output" {
            return Ident::new("__given", here).into_token_stream();
        }
        let this = Ident::new("self", Span::call_site().located_at(name.span()));
        quote_spanned!(here=> #this.#name)
    });
    let types = given_types(action, undo);
    let checked = (types.len() <= MOST_CHECKED).then(|| {
        quote_spanned! {at=> {
            #[allow(unused_imports)]
            use #krate::bounds::{Fits as _, Misfits as _};
            #krate::bounds::undo::<(#(#types,)*), _>(#path).callee()
        }}
    });
    let function = checked.unwrap_or_else(|| path.to_token_stream());
    let call = quote_spanned! {at=> {
        let __undo = #function;
        #krate::bounds::UndoCall::attempt(__undo(#cx #(#inputs),*))
    }};
    let given =
        quote!(#krate::__private::output::<<Self as #krate::typed::Typed>::Output>(__output));
    match undo.inputs.iter().find(|input| input.name == "output") {
        None => quote!({ let _ = __output; #call }),
        Some(input) if input.maybe => quote!({ let __given = #given; #call }),
        Some(_) => quote! {
            match #given {
                ::core::option::Option::Some(__given) => #call,
                ::core::option::Option::None => #krate::typed::Attempt::no_output(),
            }
        },
    }
}
