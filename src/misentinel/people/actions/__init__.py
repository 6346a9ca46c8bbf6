"""Writing people: recognising those an item speaks of, editing one by hand, declaring attributes."""

from misentinel.people.actions.attributes import declare_attribute
from misentinel.people.actions.merging import destroy_absorbed_keys
from misentinel.people.actions.recognising import recognise, until_settled

__all__ = ["declare_attribute", "destroy_absorbed_keys", "recognise", "until_settled"]
