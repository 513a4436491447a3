//! The inputs of an action, so that two evaluations of them can be compared: in tests, and by a migration, which compares those
//! that an undo reads. Without the feature `testing`, the macros' output contains only these.

/// Writes what the undo of an action reads of its inputs.
#[doc(hidden)]
#[macro_export]
macro_rules! __undo_inputs {
    ($this:ident $($name:ident)*) => {
        fn pure($this) -> ::core::option::Option<$crate::typed::StepResult> {
            // most need only one of them
            #[allow(unused_imports)]
            use $crate::__private::{OpaqueInput as _, SerializedInput as _, ShownInput as _};
            ::core::option::Option::Some($crate::typed::StepResult::UndoInputs(::std::vec![$(
                $crate::__private::Evaluated::argument(
                    ::core::stringify!($name),
                    (&&&$crate::__private::InputOf(&$this.$name)).evaluation(),
                )
            ),*]))
        }
    };
}

/// Writes `Step::inputs` for the parameters of an action; nothing without the feature `testing`.
#[cfg(feature = "testing")]
#[doc(hidden)]
#[macro_export]
macro_rules! __inputs {
    ($this:ident $($name:ident)*) => {
        fn inputs(&$this) -> ::std::vec::Vec<$crate::__private::Evaluated> {
            // an action without parameters needs none of them, and most need only one
            #[allow(unused_imports)]
            use $crate::__private::{OpaqueInput as _, SerializedInput as _, ShownInput as _};
            ::std::vec![$(
                $crate::__private::Evaluated::argument(
                    ::core::stringify!($name),
                    (&&&$crate::__private::InputOf(&$this.$name)).evaluation(),
                )
            ),*]
        }
    };
}

/// Writes `Step::inputs` for the parameters of an action; nothing without the feature `testing`.
#[cfg(not(feature = "testing"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __inputs {
    ($this:ident $($name:ident)*) => {};
}

mod evaluation {
    use std::fmt::Debug;

    use serde::Serialize;

    use crate::value::Evaluation;

    /// An input. With three references in front, the method call finds the first of these traits that applies.
    pub struct InputOf<'a, T>(pub &'a T);

    pub trait SerializedInput {
        fn evaluation(&self) -> Option<Evaluation>;
    }

    impl<T: Serialize> SerializedInput for &&InputOf<'_, T> {
        fn evaluation(&self) -> Option<Evaluation> {
            Evaluation::serialized(self.0)
        }
    }

    pub trait ShownInput {
        fn evaluation(&self) -> Option<Evaluation>;
    }

    impl<T: Debug> ShownInput for &InputOf<'_, T> {
        fn evaluation(&self) -> Option<Evaluation> {
            Some(Evaluation::shown(self.0))
        }
    }

    pub trait OpaqueInput {
        fn evaluation(&self) -> Option<Evaluation>;
    }

    impl<T> OpaqueInput for InputOf<'_, T> {
        fn evaluation(&self) -> Option<Evaluation> {
            Some(Evaluation::opaque(self.0))
        }
    }
}

pub use self::evaluation::{InputOf, OpaqueInput, SerializedInput, ShownInput};
pub use crate::value::{Evaluated, Evaluation};
