"""The till and the telephone orders: flat invoice lines."""

from orchestration.extract import Records, Source, Stream

source = Source("erp")


@source.table(
    required={"invoice_no": "text", "invoice_ts": "timestamp"},
    optional="stock_code description quantity unit_price customer_id country",
)
def invoice_lines(records: Records) -> Stream:
    """One row per line of an invoice or a cancellation."""
    return records.files()
