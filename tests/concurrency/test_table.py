"""A table: changed in place by one thread, iterated by others."""

from orchestrator.concurrency.table import Table


def test_what_is_iterated_stays_as_it_was_while_the_table_changes():
    table = Table({"a": 1, "b": 2})
    keys, values, items = iter(table), iter(table.values()), iter(table.items())
    table.put("c", 3)
    table.drop("a")
    assert [*keys] == ["a", "b"]
    assert [*values] == [1, 2]
    assert [*items] == [("a", 1), ("b", 2)]


def test_looks_entries_up_as_they_are_now():
    table = Table({"a": 1})
    table.put("b", 2)
    table.drop("a")
    table.drop("never there")
    assert ("a" in table, table.get("a"), table["b"], len(table)) == (False, None, 2, 1)
    assert (table.keys(), dict(table)) == ({"b"}, {"b": 2})
