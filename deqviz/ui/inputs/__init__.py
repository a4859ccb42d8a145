"""What a person enters: widgets from parameters, the gallery, the mask pad."""
