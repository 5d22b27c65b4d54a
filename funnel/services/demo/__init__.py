"""Demo data: a generated company history written as facts, then judged and followed up like any other."""

from funnel.services.demo.filling import DemoSummary, seed_demo

__all__ = ["DemoSummary", "seed_demo"]
