//! Compile-error tests, see tests/.
