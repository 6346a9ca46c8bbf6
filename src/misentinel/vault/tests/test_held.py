"""Keys in memory: few, not for long, and never after they were destroyed."""

from misentinel.vault.queries.held import Held


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_a_key_is_held_thirty_seconds_from_when_its_reading_began():
    clock = Clock()
    keys = Held(10, seconds=30, clock=clock)
    ticket = keys.ticket()
    clock.now += 20  # a slow read does not lengthen its life
    keys.keep_many({"rosa": 1}, ticket)
    clock.now += 9.9
    assert keys.get("rosa") == 1
    assert keys.get("rosa") == 1  # nor does using it
    clock.now += 0.2
    assert keys.get("rosa") is None
    assert len(keys) == 0


def test_the_least_recently_used_goes_first():
    keys = Held(3, clock=Clock())
    keys.keep_many({"a": 1, "b": 2, "c": 3}, keys.ticket())
    assert keys.get("a") == 1
    keys.keep_many({"d": 4}, keys.ticket())
    assert keys.get_many("abcd") == {"a": 1, "c": 3, "d": 4}


def test_more_than_fit_at_once_stay_bounded():
    keys = Held(3, clock=Clock())
    keys.keep_many({n: n for n in range(100)}, keys.ticket())
    assert keys.get_many(range(100)) == {97: 97, 98: 98, 99: 99}


def test_what_was_read_before_something_was_dropped_is_not_put_in():
    keys = Held(3, clock=Clock())
    ticket = keys.ticket()
    keys.drop_many(["rosa"])
    keys.keep_many({"rosa": 1}, ticket)
    assert keys.get("rosa") is None
    keys.keep_many({"rosa": 2}, keys.ticket())
    keys.drop(lambda key: key == "rosa")
    assert keys.get("rosa") is None
