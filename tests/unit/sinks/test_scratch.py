import time
from tests.lib.three_publications import open_shop
from tests.lib.warehouses import target_of
from dataflow.tables import published
from dataflow.sinks.views import VIEWS
def test_scratch(tmp_path, bigquery):
    with open_shop(tmp_path/"shop") as shop:
        with target_of("bigquery", shop.settings, tmp_path, bigquery) as big, target_of("duckdb", shop.settings, tmp_path, None) as small:
            for day in shop.days:
                for t in (small, big):
                    a=time.time(); r=t.sink().follow(day); print(t.kind, r.rows_out, r.facts, round(time.time()-a,2), len(bigquery.requests))
                for name in [t.name for t in published.TABLES]+list(VIEWS):
                    x,y=small.rows(name),big.rows(name)
                    assert x==y,(name,x[:2],y[:2])
            print(bigquery.statements()[-1] if 0 else [s for s in bigquery.statements() if 'BEGIN' in s][-1][:3000])
            print(set(bigquery.faults))
