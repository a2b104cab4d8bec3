//! Each program in `tests/mistakes` makes one mistake in a spec, each in `tests/misuse` one in the use
//! of a net. The message that stands beside it is pinned; `TRYBUILD=overwrite` writes them anew.

#[test]
fn each_mistake_gives_the_message_beside_it() {
    let programs = trybuild::TestCases::new();
    programs.compile_fail("tests/mistakes/*.rs");
    programs.compile_fail("tests/misuse/*.rs");
}
