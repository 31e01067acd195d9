"""What the demonstration reads: two tasks of short documents with the true answers.

The texts are made up, after the kinds of mail, receipt and message such data comes in; no recorded set with a free
licence holds whole documents this short. Examples and documents have the same author, so accuracy on them is an upper
bound for texts of your own. Both were fixed before any model had read them, and hold the usual traps: a subtotal beside
the total, a due date beside the date, a second company, city or carrier, amounts written in several ways.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from pydantic import BaseModel, Field

_Answer = TypeVar("_Answer", bound=BaseModel)


class Invoice(BaseModel):
    """Who is owed how much, and since when."""

    vendor: str = Field(max_length=40, description="the company that is paid")
    date: dt.date = Field(description="the day the document was issued")
    total: float = Field(description="the amount to pay, with tax")
    currency: Literal["EUR", "USD", "GBP", "CHF"]


class Shipment(BaseModel):
    """Which order arrives where, and when."""

    order: str = Field(max_length=16, description="the order number, as written")
    carrier: Literal["DHL", "UPS", "FedEx", "GLS"] = Field(description="who delivers")
    city: str = Field(max_length=24, description="where it is delivered")
    arrives: dt.date = Field(description="the expected day of delivery")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task(Generic[_Answer]):
    """One kind of document: what to say to the model, few-shot examples, and documents with their true answers."""

    name: str
    instruction: str
    response_format: type[_Answer]
    examples: tuple[tuple[str, _Answer], ...]
    documents: tuple[tuple[str, _Answer], ...]


def _invoice(vendor: str, date: str, total: float, currency: Literal["EUR", "USD", "GBP", "CHF"]) -> Invoice:
    return Invoice(vendor=vendor, date=dt.date.fromisoformat(date), total=total, currency=currency)


def _shipment(order: str, carrier: Literal["DHL", "UPS", "FedEx", "GLS"], city: str, arrives: str) -> Shipment:
    return Shipment(order=order, carrier=carrier, city=city, arrives=dt.date.fromisoformat(arrives))


INVOICES = Task(
    name="invoices",
    instruction="Answer with JSON: vendor, date (YYYY-MM-DD), total (number), currency (EUR, USD, GBP or CHF).",
    response_format=Invoice,
    examples=(
        (
            "INVOICE 2024-118\nHarrow & Pike Ltd\nIssued: 3 May 2024\nNet £400.00\nVAT £80.00\nTotal due £480.00",
            _invoice("Harrow & Pike Ltd", "2024-05-03", 480.0, "GBP"),
        ),
        (
            "Thanks for shopping at Corner Deli! 07/21/2023 2:14 PM  Bagel 3.25  Coffee 2.75  TOTAL $6.00  VISA",
            _invoice("Corner Deli", "2023-07-21", 6.0, "USD"),
        ),
        (
            "Hi Ana, Nordlicht GmbH billed us on 2024-11-19: 1,250.50 euros for the lamps, payable in 30 days.",
            _invoice("Nordlicht GmbH", "2024-11-19", 1250.5, "EUR"),
        ),
        (
            "Garage Aebi AG, 9 January 2025. Service and tyres, CHF 612.40 incl. VAT. Payable by 8 February.",
            _invoice("Garage Aebi AG", "2025-01-09", 612.4, "CHF"),
        ),
        (
            "From: billing@cloudnest.example\nDate: 30 Sep 2024\nYour CloudNest invoice is ready. Amount: USD 89.99",
            _invoice("CloudNest", "2024-09-30", 89.99, "USD"),
        ),
        (
            "Trattoria Da Gino | Tavolo 4 | 18.06.2024 | Coperto 5,00 | Cena 62,50 | Totale 67,50 EUR",
            _invoice("Trattoria Da Gino", "2024-06-18", 67.5, "EUR"),
        ),
        (
            "Reminder: Wexley Print Works is still waiting for GBP 2,310 (bill dated 2023-12-05, Order 771).",
            _invoice("Wexley Print Works", "2023-12-05", 2310.0, "GBP"),
        ),
        (
            "date: 2025-04-16; payee: Alpen Optik; items: 2; sum: Fr. 355.00; paid: no",
            _invoice("Alpen Optik", "2025-04-16", 355.0, "CHF"),
        ),
    ),
    documents=(
        (
            (
                "Brightwater Plumbing\nInvoice no. 4471\n12 March 2025\nBoiler repair 180.00\nParts 42.50\nVAT 44.50\n"
                "Please pay £267.00 within 14 days."
            ),
            _invoice("Brightwater Plumbing", "2025-03-12", 267.0, "GBP"),
        ),
        (
            (
                "Dear Mr Okafor, enclosed is the bill of Studio Lindqvist for the brochure: EUR 1,840.00, issued on "
                "27 August 2024 and due on 26 September."
            ),
            _invoice("Studio Lindqvist", "2024-08-27", 1840.0, "EUR"),
        ),
        (
            (
                "*** PACIFIC HARDWARE ***\n2024-10-31 17:42\nscrews 8.49\npaint 34.95\nsubtotal 43.44\ntax 3.58\n"
                "TOTAL 47.02 USD\ncash 50.00\nchange 2.98"
            ),
            _invoice("PACIFIC HARDWARE", "2024-10-31", 47.02, "USD"),
        ),
        (
            "Rechnung | Velo Zumstein | Datum 22.02.2025 | Velo-Service | Total CHF 148.90 | zahlbar bis 24.03.2025",
            _invoice("Velo Zumstein", "2025-02-22", 148.9, "CHF"),
        ),
        (
            (
                "Just forwarding this: Maple Street Dental, visit of June 17, 2024, balance $325.00. Insurance paid "
                "200 already, this is what's left."
            ),
            _invoice("Maple Street Dental", "2024-06-17", 325.0, "USD"),
        ),
        (
            "Ferme des Tilleuls\nFacture du 14/05/2024\nFromage 36,00 €\nMiel 21,80 €\nÀ payer : 57,80 €",
            _invoice("Ferme des Tilleuls", "2024-05-14", 57.8, "EUR"),
        ),
        (
            (
                "To: accounts\nSubject: Cobalt Freight, inv. CF-20391\nHello, we have not received £5,460.75 for our "
                "invoice of 2025-01-28. Kind regards, Cobalt Freight"
            ),
            _invoice("Cobalt Freight", "2025-01-28", 5460.75, "GBP"),
        ),
        (
            (
                "invoice_date=2023-11-15 supplier='Kestrel Analytics Inc.' bill_to='Mercer Labs' amount_due=12000.00 "
                "cur=USD"
            ),
            _invoice("Kestrel Analytics Inc.", "2023-11-15", 12000.0, "USD"),
        ),
        (
            (
                "Gasthof Bergblick, Davos. Aufenthalt 2 Nächte. Rechnung vom 5. Januar 2025. Zimmer 440.-, "
                "Kurtaxe 12.-, Gesamtbetrag Fr. 452.00"
            ),
            _invoice("Gasthof Bergblick", "2025-01-05", 452.0, "CHF"),
        ),
        (
            (
                "Can you pay Ortega Translations today? €318.60, their invoice is from the 9th of December 2024. "
                "Not Ortega Legal, that one is done!"
            ),
            _invoice("Ortega Translations", "2024-12-09", 318.6, "EUR"),
        ),
        (
            (
                "Statement 30 April 2024 - Thistle & Co Solicitors - professional fees 900.00 - VAT at 20% 180.00 - "
                "total 1,080.00 pounds sterling"
            ),
            _invoice("Thistle & Co Solicitors", "2024-04-30", 1080.0, "GBP"),
        ),
        (
            "Lakeside Internet: your July bill of 07/25/2024 is $74.35 (last month: $69.35). Autopay on 08/15/2024.",
            _invoice("Lakeside Internet", "2024-07-25", 74.35, "USD"),
        ),
    ),
)

SHIPMENTS = Task(
    name="shipments",
    instruction="Answer with JSON: order, carrier (DHL, UPS, FedEx or GLS), city, arrives (YYYY-MM-DD).",
    response_format=Shipment,
    examples=(
        (
            "Good news! Your order 88-1042 is on its way to Leeds with UPS. Estimated arrival: 14 June 2024.",
            _shipment("88-1042", "UPS", "Leeds", "2024-06-14"),
        ),
        (
            "DHL Express\nRef: A-55310\nTo: J. Moreau, Lyon\nDelivery: 2024-03-08 before 18:00",
            _shipment("A-55310", "DHL", "Lyon", "2024-03-08"),
        ),
        (
            "Hi Tom, the spare parts (PO 7719) left Osaka yesterday, FedEx says they reach Denver on Oct 2, 2024.",
            _shipment("7719", "FedEx", "Denver", "2024-10-02"),
        ),
        (
            "GLS parcel | order no. KX204 | consignee: Hotel Post, Graz | planned 25.11.2024",
            _shipment("KX204", "GLS", "Graz", "2024-11-25"),
        ),
        (
            "order=100233 status=shipped carrier=UPS dest='Austin, TX' eta=2025-02-17",
            _shipment("100233", "UPS", "Austin", "2025-02-17"),
        ),
        (
            "We are sorry: order W-9 is late. DHL will now bring it to your office in Porto on 6 May 2025, not 2 May.",
            _shipment("W-9", "DHL", "Porto", "2025-05-06"),
        ),
        (
            "Dear customer, parcel for order 3120-B was handed to GLS. Expect it in Gdansk on Friday, 19 July 2024.",
            _shipment("3120-B", "GLS", "Gdansk", "2024-07-19"),
        ),
        (
            "FedEx tracking update: order ZT-481, out of Memphis, due in Halifax 2024-12-13.",
            _shipment("ZT-481", "FedEx", "Halifax", "2024-12-13"),
        ),
    ),
    documents=(
        (
            "Hello Priya, your order QB-2207 was packed today. DHL will deliver it to Bristol on 21 October 2024.",
            _shipment("QB-2207", "DHL", "Bristol", "2024-10-21"),
        ),
        (
            "SHIPPING NOTICE\nOrder: 40981\nFrom: Rotterdam\nTo: Malmö\nCarrier: GLS\nETD: 2025-01-20\nETA: 2025-01-23",
            _shipment("40981", "GLS", "Malmö", "2025-01-23"),
        ),
        (
            "FedEx could not deliver order 61-377 in Tucson yesterday. Next attempt: April 16, 2025.",
            _shipment("61-377", "FedEx", "Tucson", "2025-04-16"),
        ),
        (
            "Your new chair is coming! Order number H5502. Driver: UPS. Where: Cork. When: Tuesday, 3 December 2024.",
            _shipment("H5502", "UPS", "Cork", "2024-12-03"),
        ),
        (
            "@sam the samples for the Turin office go out tonight w/ dhl, order is S-0193, should be there 2024-09-27",
            _shipment("S-0193", "DHL", "Turin", "2024-09-27"),
        ),
        (
            "Lieferung: Bestellung 77-AB1 | Versand mit GLS | Empfänger: Praxis Dr. Maier, Ulm | Zustellung 18.02.2025",
            _shipment("77-AB1", "GLS", "Ulm", "2025-02-18"),
        ),
        (
            (
                '{"po": "PO-6640", "shipper": "FedEx", "origin": "Shenzhen", "destination": "Oakland", '
                '"due": "2024-08-30"}'
            ),
            _shipment("PO-6640", "FedEx", "Oakland", "2024-08-30"),
        ),
        (
            (
                "We changed the carrier of order 12908 from GLS to UPS, so it arrives in Ghent one day later, on "
                "2025-03-14."
            ),
            _shipment("12908", "UPS", "Ghent", "2025-03-14"),
        ),
        (
            (
                "Subject: order MN/310\nYour wine leaves Bordeaux tomorrow. It will be in Aarhus by 29 May 2024. "
                "Delivered by: DHL. Someone over 18 must sign."
            ),
            _shipment("MN/310", "DHL", "Aarhus", "2024-05-29"),
        ),
        (
            "UPS Access Point, Savannah: ready for pick-up from 11/18/2024. Order 5-2291. Bring an ID.",
            _shipment("5-2291", "UPS", "Savannah", "2024-11-18"),
        ),
        (
            (
                "Part delivery for order L-7045: two of three boxes reach Tampere on 7 November 2024 (FedEx), the last "
                "one has no date yet."
            ),
            _shipment("L-7045", "FedEx", "Tampere", "2024-11-07"),
        ),
        (
            "gls: sendung zu auftrag 900-12 nach Basel, zustellung am 10. juli 2025 zwischen 9 und 12 uhr",
            _shipment("900-12", "GLS", "Basel", "2025-07-10"),
        ),
    ),
)
