"""Money: whole minor units and a currency code. Floats appear nowhere."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

AMOUNT_MINOR_MAX = 10**14
"""The largest amount that is believed; anything above is a mistake of the sender."""

_CODES = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP CNY COP CRC
CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR
ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK
MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE
SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XCG XOF
XPF YER ZAR ZMW ZWG
"""

CURRENCIES = frozenset(_CODES.split())
"""Currency codes in use (ISO 4217); funds, metals and test codes are not money a shop takes."""


_NO_MINOR_UNIT_CODES = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE_DIGIT_CODES = "BHD IQD JOD KWD LYD OMR TND"
_NO_MINOR_UNIT = frozenset(_NO_MINOR_UNIT_CODES.split())
_THREE_DIGITS = frozenset(_THREE_DIGIT_CODES.split())


def minor_per_unit(currency: str) -> int:
    """How many minor units make one unit: 100 fen a yuan, 1 yen a yen, 1,000 fils a dinar (ISO 4217)."""
    if currency in _NO_MINOR_UNIT:
        return 1
    return 1000 if currency in _THREE_DIGITS else 100


def to_minor(amount: Decimal, currency: str) -> int:
    """``amount`` units of ``currency`` in whole minor units; what lies between two is rounded half up, away from 0."""
    return int((amount * minor_per_unit(currency)).quantize(Decimal(1), ROUND_HALF_UP))


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in minor units (cents, pence, fen) of ``currency``."""

    amount_minor: int
    currency: str
