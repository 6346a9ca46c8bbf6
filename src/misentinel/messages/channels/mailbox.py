"""The local mailbox: where messages stay while no mail server is set up, sealed under their person's key."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from misentinel.messages.contracts import Fate, Outcome, Prepared, Result
from misentinel.messages.models import MailRow
from misentinel.messages.ports import Ledger
from misentinel.messages.queries.mailbox import mail_place
from misentinel.store.contracts import Store
from misentinel.vault import queries as vault

_BATCH = 100
_KEPT = Outcome(Fate.ACCEPTED, 250, "kept in the local mailbox")


@dataclass(frozen=True, slots=True)
class MailboxChannel:
    """Keeps messages in the customer's own store; message and result commit together, so nothing is ever in doubt."""

    store: Store

    def send(self, messages: Iterable[Prepared], ledger: Ledger) -> None:
        """See `ports.Channel`."""
        source = iter(messages)
        while batch := list(islice(source, _BATCH)):
            with self.store.atomic():
                allowed = ledger.record([], [message.id for message in batch])
                self._keep([message for message in batch if message.id in allowed], ledger)

    def _keep(self, batch: list[Prepared], ledger: Ledger) -> None:
        keys = vault.person_keys(self.store.customer_id, [message.person_id for message in batch])
        kept = [message for message in batch if message.person_id in keys]
        rows = [
            MailRow(
                delivery_id=message.id,
                person_id=message.person_id,
                sealed=keys[message.person_id].seal(mail_place(message.id), message.data),
            )
            for message in kept
        ]
        MailRow.objects.using(self.store.alias).bulk_create(rows, ignore_conflicts=True)
        results = [Result(message.id, _KEPT) for message in kept]
        gone = [Result(m.id, Outcome(Fate.REFUSED, 550, "")) for m in batch if m.person_id not in keys]
        ledger.record(results + gone, [])
