"""matplotlib's backend in the code interpreter: a figure that is shown, or open when a call ends, is an image of its
result.  Chosen by MPLBACKEND=module://agentcore_figures."""

import builtins
import io

from matplotlib._pylab_helpers import Gcf
from matplotlib.backends.backend_agg import FigureCanvasAgg, new_figure_manager, new_figure_manager_given_figure

FigureCanvas = FigureCanvasAgg

__all__ = ["FigureCanvas", "new_figure_manager", "new_figure_manager_given_figure", "show"]


def show(*_arguments, **_options):
    for manager in Gcf.get_all_fig_managers():
        figure = manager.canvas.figure
        if figure.get_axes() or figure.texts or figure.images:
            data = io.BytesIO()
            figure.savefig(data, format="png", bbox_inches="tight")
            builtins.agentcore_image(data.getvalue())
    Gcf.destroy_all()
