"""Feedback by nbgrader's exchange, in a class of which some handed in by other ways."""

import glob
from pathlib import Path

from nbgrader.exchange.default import ExchangeReleaseFeedback

from gradus.shown import shown_name

_OF_THE_EXCHANGE = ("timestamp.txt", "submission_secret.txt")  # nbgrader stops where one is missing


class GradusReleaseFeedback(ExchangeReleaseFeedback):
    """Leaves out whoever did not hand in by the exchange: nbgrader stops there, with a traceback."""

    def copy_files(self) -> None:
        """Hand the pages out."""
        pages = [Path(page) for page in glob.glob(str(Path(self.src_path) / "*.html"))]  # noqa: PTH207  a pattern
        others = {
            page.parent.parent.name
            for page in pages
            if not all((page.parent / name).is_file() for name in _OF_THE_EXCHANGE)
        }
        for student in sorted(others):
            self.log.warning(
                "%s did not hand in by the exchange, and gets no feedback by it",
                shown_name(student),
            )
        known = self.coursedir.student_id_exclude
        self.coursedir.student_id_exclude = ",".join([*filter(None, [known]), *sorted(others)])
        super().copy_files()
