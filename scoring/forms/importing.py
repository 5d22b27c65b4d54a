"""The form that takes a definition as YAML."""

from typing import Any

from django import forms
from django.utils.translation import gettext, gettext_lazy

# Far beyond any definition; what is larger is another file.
_LARGEST = 1_000_000


class ImportForm(forms.Form):
    """YAML, pasted or as a file; the file wins. The text is in ``cleaned_data["yaml"]`` either way."""

    file = forms.FileField(
        label=gettext_lazy("File"),
        required=False,
        help_text=gettext_lazy("As downloaded from a definition's page."),
        widget=forms.FileInput(attrs={"accept": ".yaml,.yml,application/yaml,text/yaml"}),
    )
    yaml = forms.CharField(
        label=gettext_lazy("or paste YAML"),
        required=False,
        strip=False,
        max_length=_LARGEST,
        widget=forms.Textarea(attrs={"rows": 14, "spellcheck": "false", "class": "code"}),
    )

    def clean(self) -> dict[str, Any]:
        """Read the file as text."""
        data = super().clean() or {}
        upload = data.get("file")
        if upload is not None:
            if upload.size > _LARGEST:
                raise forms.ValidationError(gettext("The file is too large for a definition."))
            try:
                data["yaml"] = upload.read().decode("utf-8-sig")
            except UnicodeDecodeError as error:
                raise forms.ValidationError(gettext("The file is no text in UTF-8.")) from error
        if not (data.get("yaml") or "").strip():
            raise forms.ValidationError(gettext("Choose a file or paste YAML."))
        return data
