"""Read the grants in the files of auth0-deploy-cli and Terraform."""
