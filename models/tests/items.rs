//! The word of a work item, and where the item is.

use models::item;
use weak::model;

macro_rules! models {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            model(item::$name);
        }
    )*};
}

models! {
    what_was_wanted_before_is_done
    claimed_from_an_idle_word
    runs_once_at_a_time
    a_waiter_is_seen_by_the_end
    cancelled_against_a_claim
    a_deferred_instance_goes_one_way
    a_poisoned_item_is_known
    at_home_all_is_ready
}
