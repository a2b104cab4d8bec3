//! Each program in `tests/mistakes` makes one mistake. The message that stands beside it is pinned.
//! `TRYBUILD=overwrite` writes them anew.

#[test]
fn each_mistake_gives_the_message_beside_it() {
    trybuild::TestCases::new().compile_fail("tests/mistakes/*.rs");
}
