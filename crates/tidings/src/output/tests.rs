//! The bar fills from left to right and never beyond its ends.

use super::bar;

#[test]
fn the_bar_shows_its_share() {
    assert_eq!(bar(0.0), "[--------------------]   0 %");
    assert_eq!(bar(0.5), "[##########----------]  50 %");
    assert_eq!(bar(1.7), "[####################] 100 %");
    assert_eq!(bar(-1.0), bar(0.0));
}
