"""Forms of the first steps."""

from django import forms
from django.utils.translation import gettext_lazy


class FirstSourceForm(forms.Form):
    """The first source: only what matters on the first day; the rest has its place at the sources."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=100,
        initial=gettext_lazy("Website"),
        help_text=gettext_lazy("What sends the events, such as your website or your shop."),
    )
    public = forms.BooleanField(
        label=gettext_lazy("The key is used in browsers"),
        required=False,
        help_text=gettext_lazy("Anybody can read such a key, so it may send only what contacts do themselves."),
    )
