"""The words by which tables and columns are recognised, in several languages, as regular expressions.

They are compared with names as lower-case Latin words: `DateCommande` and `date_commande` are `date commande`. Source:
our own, from schemas of shops and help desks in English, German, French, Spanish, Portuguese, Italian, Dutch and
Swedish (2026-11-30). A name that no list knows is a TODO of the written file.
"""

from __future__ import annotations

CUSTOMERS = (
    r"customer|client|contact|kund|member|person|people|patient|subscriber|\blead|account|buyer|guest|shopper|\buser"
    r"|compan|organi[sz]ation|musteri|klant|utilisateur|usuario|utente|abonne|adherent|socio|contatto|nutzer"
)
NOT_CUSTOMERS = (
    r"staff|employee|supplier|vendor|shipper|actor|author|admin|store|warehouse|countr|city|language|categor|product"
    r"|film|artist|role|group|permission|session|log\b|histor|order|invoice|ticket|case|address|fournisseur|proveedor"
    r"|fornitor|fornecedor|leverancier|lieferant|mitarbeiter|empleado|employe|medewerker|produit|prodott|artikel"
    r"|commande|facture|pedido|bestell|rechnung|direccion|indirizz|statu"
)
ORDERS = (
    r"order\b|orders\b|ordini|ordine",
    r"invoice|faktura|factuur|fattur|factur|fatura",
    r"bestell|rechnung|kauf|auftrag|commande|pedido|encomenda",
    r"sale|purchase|achat|vente|venta|compra|vendit|acquist|verkoop|aankoop|forsaljning",
    r"payment|zahlung|paiement|pago|pagament|betaling",
    r"booking|rental|transaction|buchung|reserv",
    r"opportunit",
)
"""The better name of a table of orders comes first."""
LINES = r"line|item|detail|position|zeile|ligne|linea|linha|riga|righe|regel|detalle|posicion|\brad"
TICKETS = (
    r"ticket|\bcase|issue|support|incident|anfrage|request|demande|reclam|incidencia|solicitud|richiest|segnalazion"
    r"|verzoek|arende"
)
SUBJECT = r"subject|title|summary|betreff|objet|sujet|asunto|assunto|oggetto|titre|titulo|titolo|onderwerp|amne"
CATEGORY = r"categor|\btype\b|kategorie|thema|tipo|motif|soort"
CHANNEL = r"channel|\bvia\b|kanal|source|origin|canal|kanaal"
AMOUNT = (
    r"total|amount|grand|\bsum\b|summe|betrag|revenue|umsatz|montant|importe|importo|totale|bedrag|belopp|\bvalor\b"
)
PRICE = r"price|preis|unit cost|rate\b|\bprix|precio|preco|prezzo|prijs|\bpris\b"
QUANTITY = r"quantity|\bqty\b|menge|anzahl|\bcount\b|units?$|quantit|\bqte\b|cantidad|quantidade|aantal|\bantal"
DISCOUNT = r"discount|rabatt|remise|descuento|desconto|sconto|korting"
NAME = r"name|title|bezeichnung|description|libelle|designation|\bnom\b|nombre|\bnome\b|naam|namn|intitule"
NUMBER = r"number|\bno\b|\bnr\b|\bnum\b|numero|nummer"
PRODUCT = r"sku|product|article|artikel|item|produit|producto|prodott|produto"
STATUS = r"\bstatus|\bstate\b|\bstage|zustand|\bstatut|\betat\b|\bestado|\bstato\b|toestand"
STATE_OF_ADDRESS = r"(bill|ship|deliver|address|home|mail|invoic)\w* (state|estado|etat|stato)\b"
PRIORITY = r"priorit|urgen|dringlich|priorid|prioriteit"
CURRENCY = r"currency|waehrung|wahrung|devise|monnaie|moneda|moeda|valuta"
COUNTRY, REGION, CITY = (
    r"countr|\bpays\b|\bpais\b|paese|\bland\b",
    r"state|region|province|provinc",
    r"city|town|ville|ciudad|cidade|\bcitta|\bstadt|\bort\b|\bstad\b",
)
CREATED = (
    r"creat|regist|signup|added|angelegt|opened|\bsince\b|creation|inscription|\balta\b|creado|criado|creazione"
    r"|aangemaakt|skapad|erstellt"
)
UPDATED = r"updat|modif|chang|last edit|geandert|\bmaj\b|actualiz|atualiz|aggiorn|gewijzigd|andrad"
ORDERED = (
    r"order|purchase|payment|paid|invoice|placed|bestell|close|commande|achat|factur|pedido|compra|venta|ordine"
    r"|acquist|koop|bestelling"
)
OPENED = r"creat|open|submit|erstellt|angelegt|ouver|abiert|abert|apert|geopend|aangemaakt"
ANSWERED = r"first"
CLOSED = r"clos|solv|resolv|gelost|geschlossen|erledigt|ferme|cerrad|fechad|resuel|chius|risolt|gesloten|stangd"
DELETED_FLAG = r"^(is )?(deleted|geloscht|supprime|eliminado|borrado|excluido|eliminato|verwijderd)$"
DELETED_WHEN = r"^(deleted|removed|geloscht|supprime|eliminado|borrado) (at|on|am|date|le|en)$"
PREFERRED = r"default|primary|main|preferred|defaut|principal|standard|haupt|predeterminad|predefinit"

_ORDER_STATES = {
    "placed": "new, open, pending, created, invoiced, in process, processing, neu, offen, in bearbeitung, en attente,"
    " nouvelle, en cours, pendiente, nuevo, en proceso, pendente, novo, in attesa, nuovo, in lavorazione, nieuw,"
    " in behandeling, ny, prospecting, on hold",
    "paid": "bezahlt, payee, paye, reglee, pagado, pagada, pago, paga, pagato, betaald, betald, closed won",
    "shipped": "sent, dispatched, versandt, versendet, expediee, expedie, envoyee, enviado, enviada, spedito,"
    " verzonden, skickad",
    "delivered": "complete, completed, closed, done, geliefert, abgeschlossen, livree, livre, terminee, entregado,"
    " entregada, entregue, consegnato, completato, geleverd, afgerond, levererad",
    "cancelled": "canceled, void, voided, storniert, abgebrochen, annulee, annule, cancelado, cancelada, anulado,"
    " anulada, annullato, geannuleerd, avbruten, closed lost",
    "refunded": "erstattet, remboursee, rembourse, reembolsado, reembolsada, rimborsato, terugbetaald",
}
_TICKET_STATES = {
    "open": "new, offen, neu, in progress, working, escalated, in bearbeitung, ouverte, ouvert, nouvelle, en cours,"
    " abierto, abierta, nuevo, en curso, aberto, aperto, aperta, nuovo, in behandeling, nieuw, oppen",
    "pending": "hold, on hold, waiting, wartend, en attente, pendiente, en espera, pendente, in attesa, wachtend",
    "solved": "resolved, done, completed, gelost, erledigt, resolue, resolu, traitee, resuelto, resuelta, resolvido,"
    " risolto, risolta, opgelost",
    "closed": "geschlossen, fermee, ferme, cloturee, cerrado, cerrada, fechado, chiuso, chiusa, gesloten, stangd",
}
_PRIORITIES = {
    "low": "niedrig, gering, basse, faible, baja, baixa, bassa, laag, lag, minor",
    "normal": "medium, mittel, moyenne, normale, media, gemiddeld, normaal, medel, standard",
    "high": "hoch, haute, elevee, alta, hoog, hog, major",
    "urgent": "critical, dringend, kritisch, urgente, critique, critica, kritiek, akut, blocker",
}


def _spellings(listed: dict[str, str]) -> dict[str, str]:
    return {word.strip(): meant for meant, words in listed.items() for word in words.split(",")}


ORDER_STATES, TICKET_STATES, PRIORITIES = map(_spellings, (_ORDER_STATES, _TICKET_STATES, _PRIORITIES))
"""Word of a company, folded to lower-case Latin, to the word of the conformed model."""
