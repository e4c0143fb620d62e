"""A simulator of one Salesforce org over real HTTPS: what the API says and does, as far as a reader of data sees it."""

from tests.lib.servers.salesforce.clock import Clock
from tests.lib.servers.salesforce.faults import Fault
from tests.lib.servers.salesforce.org import Org
from tests.lib.servers.salesforce.schema import Field, ObjectType
from tests.lib.servers.salesforce.server import Simulator, simulator

__all__ = ["Clock", "Fault", "Field", "ObjectType", "Org", "Simulator", "simulator"]
