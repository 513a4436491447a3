//! Whether an undo takes as many parameters as it is given (autoref specialization). rustc would say so
//! too, and propose to write the missing ones into the attribute, where they cannot stand.
//!
//! A function of exactly what is given has `callee` of its own, which is found first, and at once. [`Fits`] is
//! for one of as many parameters: both give the function itself, so that rustc checks the call. For all
//! else there is [`Misfits`], whose bound never holds.

use std::future::{Ready, ready};
use std::marker::PhantomData;

/// An undo `F`, and the types of what it is given.
pub struct Undo<Given, F>(F, PhantomData<fn() -> Given>);

pub fn undo<Given, F>(undo: F) -> Undo<Given, F> {
    Undo(undo, PhantomData)
}

/// An undo that takes these parameters.
#[diagnostic::on_unimplemented(
    message = "an undo takes the context exactly if its action does, and then what `undo = f(..)` lists",
    label = "this function is given `{Given}`"
)]
pub trait Takes<Given> {}

/// `Call` is what makes the parameters of the implementations appear in the trait.
pub trait Fits<Call> {
    type Function;
    fn callee(self) -> Self::Function;
}

pub trait Misfits<Call> {
    type Function;
    type Given;
    fn callee(self) -> Call
    where
        Self::Function: Takes<Self::Given>;
}

/// One parameter is `Given Taken`: of the tuple that is given, and of the function.
macro_rules! arity {
    ($($given:ident $taken:ident),*) => {
        impl<F, $($given,)* R> Undo<($($given,)*), F>
        where
            F: Fn($($given),*) -> R,
        {
            pub fn callee(self) -> F {
                self.0
            }
        }

        impl<F, $($given, $taken,)* R> Fits<fn($($taken),*) -> R> for Undo<($($given,)*), F>
        where
            F: Fn($($taken),*) -> R,
        {
            type Function = F;
            fn callee(self) -> F {
                self.0
            }
        }

        impl<F, $($given, $taken),*> Misfits<fn($($taken),*) -> Ready<Result<(), String>>>
            for &Undo<($($given,)*), F>
        {
            type Function = F;
            type Given = ($($given,)*);
            fn callee(self) -> fn($($taken),*) -> Ready<Result<(), String>>
            where
                F: Takes<Self::Given>,
            {
                |$(_: $taken),*| ready(Ok(()))
            }
        }
    };
}

arity!();
arity!(A1 B1);
arity!(A1 B1, A2 B2);
arity!(A1 B1, A2 B2, A3 B3);
arity!(A1 B1, A2 B2, A3 B3, A4 B4);
arity!(A1 B1, A2 B2, A3 B3, A4 B4, A5 B5);
arity!(A1 B1, A2 B2, A3 B3, A4 B4, A5 B5, A6 B6);
arity!(A1 B1, A2 B2, A3 B3, A4 B4, A5 B5, A6 B6, A7 B7);
arity!(A1 B1, A2 B2, A3 B3, A4 B4, A5 B5, A6 B6, A7 B7, A8 B8);
