//! The real `hapa`: how it starts, says that it is ready, survives crashes, and ends.

mod commands;
mod lifecycle;
