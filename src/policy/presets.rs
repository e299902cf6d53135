pub(super) fn built_in_exceptions() -> Vec<super::Exception> {
    Vec::new()
}
