"""The geoip filter: what it adds to records, of a database that the test makes."""
import json
import os

import pytest

from harness import mmdb
from harness.forward import send_events
from harness.waiting import wait_until
from harness.weir import SYSTEM

CITY = {
    "city": {"geoname_id": 5375480, "names": {"en": "Mountain View", "de": "Mountain View (de)", "ja": "マウンテンビュー"}},
    "country": {"iso_code": "US", "names": {"en": "United States"}},
    "location": {"latitude": 37.4192, "longitude": -122.0574, "accuracy_radius": mmdb.Uint16(1000)},
    "postal": {"code": "94043"},
    "subdivisions": [{"iso_code": "CA", "names": {"en": "California"}}],
    "traits": {"is_anycast": True, "asn": 15169, "big": mmdb.Uint64(1 << 40), "offset": -7, "long": "x" * 400},
}
COUNTRY = {"country": {"iso_code": "DE", "names": {"en": "Germany"}}, "location": {"accuracy_radius": mmdb.Uint16(50)}}
NETWORKS = {"192.0.2.0/24": CITY, "198.51.100.7/32": COUNTRY, "2001:db8::/32": COUNTRY}


def record(*lines):
    return "<record>\n" + "\n".join(lines) + "\n</record>\n"


# The filter's parameters, a record, what is added to it (or the whole record, if it is in a list).
CASES = {
    "values": (record("""city ${city.names.en["host"]}""", """lat ${location.latitude["host"]}""", """r ${location.accuracy_radius['host']}"""),
               {"host": "192.0.2.9"}, {"city": "Mountain View", "lat": 37.4192, "r": 1000}),
    "types": (record("""a ${traits.is_anycast["host"]}""", """b ${traits.asn["host"]}""", """c ${traits.big["host"]}""",
                     """d ${traits.offset["host"]}""", """e ${city.names.ja["host"]}""", """f ${traits.long["host"]}"""),
              {"host": "192.0.2.9"}, {"a": True, "b": 15169, "c": 1 << 40, "d": -7, "e": "マウンテンビュー", "f": "x" * 400}),
    "containers": (record("""a ${subdivisions["host"]}""", """b ${subdivisions.0.iso_code["host"]}""", """c ${country["host"]}"""),
                   {"host": "192.0.2.9"}, {"a": CITY["subdivisions"], "b": "CA", "c": CITY["country"]}),
    "object": (record("""p '{ "lat" : ${location.latitude["host"]}, "lon" : ${location.longitude["host"]} }'"""),
               {"host": "192.0.2.9"}, {"p": {"lat": 37.4192, "lon": -122.0574}}),
    "object with quotes": (record("""p '{"city": "${city.names.en["host"]}", "code": ${country.iso_code["host"]}, "n": [1, null]}'"""),
                           {"host": "192.0.2.9"}, {"p": {"city": "Mountain View", "code": "US", "n": [1, None]}}),
    "array": (record("""a '[${location.longitude["host"]},${location.latitude["host"]}]'"""),
              {"host": "192.0.2.9"}, {"a": [-122.0574, 37.4192]}),
    "text": (record("""a ${location.latitude["host"]},${location.longitude["host"]}""", """b in ${city.names.en["host"]}!""", "c plain"),
             {"host": "192.0.2.9"}, {"a": "37.4192,-122.0574", "b": "in Mountain View!", "c": "plain"}),
    "two keys": ("geoip_lookup_keys a, $.b.c\n" + record("""x ${country.iso_code["a"]}""", """y ${country.iso_code["$.b.c"]}"""),
                 {"a": "2001:db8::1", "b": {"c": "192.0.2.1"}}, {"x": "DE", "y": "US"}),
    "old key": ("geoip_lookup_key a,b\n" + record("""x ${country.iso_code["b"]}"""), {"b": "198.51.100.7"}, {"x": "DE"}),
    # What is not known is null; places are 0.0 if anything of the address is known.
    "unknown value": (record("""city ${city.names.en["host"]}""", """at '[${location.longitude["host"]},${location.latitude["host"]}]'""",
                             """text <${city.names.en["host"]}>"""),
                      {"host": "198.51.100.7"}, {"city": None, "at": [0.0, 0.0], "text": "<>"}),
    "unknown address": (record("""city ${city.names.en["host"]}""", """at '[${location.longitude["host"]},${location.latitude["host"]}]'"""),
                        {"host": "203.0.113.1"}, {"city": None, "at": [None, None]}),
    "no address": (record("""c ${country.iso_code["host"]}"""), {"host": "example.com"}, {"c": None}),
    "empty": (record("""c ${country.iso_code["host"]}"""), {"host": ""}, {"c": None}),
    "number": (record("""c ${country.iso_code["host"]}"""), {"host": 5}, {"c": None}),
    "no field": (record("""c ${country.iso_code["host"]}"""), {"a": 1}, {"c": None}),
    "replaced": (record("""host ${country.iso_code["host"]}"""), {"host": "192.0.2.1"}, [{"host": "US"}]),
    "skip unknown": ("skip_adding_null_record true\n" + record("""c ${country.iso_code["host"]}"""), {"host": "203.0.113.1"},
                     [{"host": "203.0.113.1"}]),
    "skip by the first": ("skip_adding_null_record true\n" + record("""c ${city.names.en["host"]}""", """i ${country.iso_code["host"]}"""),
                          {"host": "198.51.100.7"}, [{"host": "198.51.100.7"}]),
    "no skip by the second": ("skip_adding_null_record\n" + record("""i ${country.iso_code["host"]}""", """c ${city.names.en["host"]}"""),
                              {"host": "198.51.100.7"}, {"i": "DE", "c": None}),
    "compat": ("backend_library geoip2_compat\n" + record(*(f"""{n} ${{{n}["host"]}}""" for n in (
        "city", "country_code", "country_name", "latitude", "longitude", "postal_code", "region", "region_name"))),
               {"host": "192.0.2.1"}, {"city": "Mountain View", "country_code": "US", "country_name": "United States", "latitude": 37.4192,
                                       "longitude": -122.0574, "postal_code": "94043", "region": "CA", "region_name": "California"}),
    "inject": (record("""c ${country.iso_code["host"]}""") + "<inject>\ntag_key tag\n</inject>\n", {"host": "192.0.2.1"},
               {"c": "US", "tag": "inject"}),
}

CONFIG = SYSTEM + """
<source>
  @type forward
  bind 127.0.0.1
  port {{forward_port}}
</source>
{{filters}}
<match **>
  @type file
  path {{out}}/${tag}
  append true
  <format>
    @type json
  </format>
  <buffer tag>
    flush_mode immediate
  </buffer>
</match>
"""


def lines(path):
    if not os.path.exists(path):
        return []
    with open(path) as f:
        return [json.loads(line) for line in f]


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "city.mmdb"
    mmdb.write(path, NETWORKS)
    return path


def test_records(weir, database, tmp_path):
    names = {name.replace(" ", "-"): case for name, case in CASES.items()}
    filters = "".join(f"<filter {tag}>\n@type geoip\ngeoip2_database {database}\n{body}</filter>\n"
                      for tag, (body, _, _) in names.items())
    w = weir(CONFIG, filters=filters, out=tmp_path / "out")
    for tag, (_, given, _) in names.items():
        send_events(w.port, tag, [given])
    for tag, (_, given, added) in names.items():
        path = tmp_path / "out" / f"{tag}.log"
        wait_until(lambda: lines(path), 20, lambda: f"{tag}\n{w.log_tail()}")
        assert lines(path) == (added if isinstance(added, list) else [{**given, **added}]), tag


def test_database_that_is_replaced(weir, database, tmp_path):
    """A new file of its name is used without a signal."""
    w = weir(CONFIG, out=tmp_path / "out", filters=f"""<filter app>
      @type geoip
      geoip2_database {database}
      <record>
        c ${{country.iso_code["host"]}}
      </record>
    </filter>""")
    mmdb.write(tmp_path / "new", {"192.0.2.0/24": COUNTRY})
    os.rename(tmp_path / "new", database)
    w.wait_log("reloaded")
    send_events(w.port, "app", [{"host": "192.0.2.1"}])
    path = tmp_path / "out" / "app.log"
    wait_until(lambda: lines(path) == [{"host": "192.0.2.1", "c": "DE"}], 20, w.log_tail)
