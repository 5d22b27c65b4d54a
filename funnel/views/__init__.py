"""Pages about the handing over, and those that show it beside facts and judgement."""
